// SPDX-License-Identifier: Apache-2.0
/*
 * Prints how the files of a volume behave inside a container: locks, events, mappings and others.
 * The output is the same with every runtime whose files behave as the kernel's.
 *
 *	files alone DIR		what one process sees
 *	files serve DIR		waits for "files visit" in another container
 *	files visit DIR		prints what the two containers share
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PAGE = 4096, HOLE = 1 << 20, WAIT_MS = 60000, STEP_MS = 20 };

static const char *said(int result)
{
	return result < 0 ? strerrorname_np(errno) : "done";
}

static void say(const char *what, int result)
{
	printf("%s: %s\n", what, said(result));
}

static int make(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0) {
		perror(name);
		exit(1);
	}
	return fd;
}

static struct stat look(const char *name)
{
	struct stat st = { 0 };

	(void)lstat(name, &st);
	return st;
}

/* --- alone --- */

static void sparse(void)
{
	int fd = make("sparse");

	if (pwrite(fd, "x", 1, 0) != 1 || pwrite(fd, "y", 1, HOLE) != 1)
		perror("write");
	printf("sparse: hole %d, data %d, blocks %s\n",
	       lseek(fd, 0, SEEK_HOLE) == PAGE && lseek(fd, PAGE, SEEK_HOLE) == PAGE,
	       lseek(fd, PAGE, SEEK_DATA) == HOLE, look("sparse").st_blocks < 64 ? "few" : "many");
	if (ftruncate(fd, 0) < 0 || fallocate(fd, 0, 0, HOLE) < 0)
		say("allocate", -1);
	printf("allocated: %lld\n", (long long)look("sparse").st_size);
	say("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE));
	(void)close(fd);
}

static void attributes(void)
{
	char value[16] = "", list[64] = "";
	ssize_t n;

	(void)close(make("attributes"));
	say("set attribute", setxattr("attributes", "user.colour", "blue", 4, 0));
	n = getxattr("attributes", "user.colour", value, sizeof(value));
	printf("attribute: %.*s\n", (int)(n < 0 ? 0 : n), value);
	n = listxattr("attributes", list, sizeof(list));
	printf("attributes: %s\n", n > 0 ? list : said((int)n));
	say("remove attribute", removexattr("attributes", "user.colour"));
	say("remove it again", removexattr("attributes", "user.colour"));
}

static void direct(void)
{
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
	char *page = aligned_alloc(PAGE, PAGE);
	ssize_t n;

	memset(page, 'd', PAGE);
	printf("direct: %s", said(fd));
	printf(", written %zd", pwrite(fd, page, PAGE, 0));
	memset(page, 0, PAGE);
	n = pread(fd, page, PAGE, 0);
	printf(", read %zd, %c\n", n, page[PAGE - 1]);
	free(page);
	(void)close(fd);
}

static void temporary(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char path[64];

	say("file without a name", fd);
	if (fd < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	say("name it", linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	(void)close(fd);
}

static void renames(void)
{
	ino_t a, b;

	(void)close(make("a"));
	(void)close(make("b"));
	a = look("a").st_ino;
	b = look("b").st_ino;
	say("rename without replacing", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	say("exchange", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
	printf("exchanged: %d\n", look("a").st_ino == b && look("b").st_ino == a);
	say("rename", rename("a", "b"));
}

static void links(void)
{
	struct stat one, two;

	(void)close(make("one"));
	say("hard link", link("one", "two"));
	one = look("one");
	two = look("two");
	printf("hard links: %d, the same: %d\n", (int)one.st_nlink, one.st_ino == two.st_ino);
	say("symbolic link", symlink("/nowhere", "link"));
	say("unlink", unlink("one"));
	printf("hard links: %d\n", (int)look("two").st_nlink);
}

static bool is_listed(const char *name)
{
	DIR *dir = opendir(".");
	bool found = false;

	for (struct dirent *e; dir && (e = readdir(dir));)
		found = found || strcmp(e->d_name, name) == 0;
	if (dir)
		(void)closedir(dir);
	return found;
}

static void names(void)
{
	char longest[257], odd[] = "odd \xff\xfe\n\x01 name",
			   right[] = "\xe2\x82\xac \xf0\x9f\x90\xb3";

	memset(longest, 'n', sizeof(longest));
	longest[255] = '\0';
	(void)close(make(longest));
	(void)close(make(odd));
	(void)close(make(right));
	printf("names: %d %d %d\n", is_listed(longest), is_listed(odd), is_listed(right));
	longest[255] = 'n';
	longest[256] = '\0';
	say("a longer one", open(longest, O_CREAT | O_CLOEXEC, 0644));
}

static void modes(void)
{
	(void)umask(027);
	(void)close(open("masked", O_CREAT | O_CLOEXEC, 0777));
	(void)mkdir("folder", 0777);
	(void)umask(022);
	printf("masked: %o %o\n", look("masked").st_mode, look("folder").st_mode);
	if (chown("folder", 1, 2345) < 0 || chmod("folder", 02775) < 0)
		say("give it away", -1);
	(void)close(make("folder/file"));
	(void)mkdir("folder/below", 0755);
	printf("in its group: %u %u %o\n", look("folder/file").st_gid, look("folder/below").st_gid,
	       look("folder/below").st_mode);
	(void)close(make("program"));
	if (chmod("program", 06755) < 0 || chown("program", 1, 1) < 0)
		say("give it away", -1);
	printf("given away: %o %u\n", look("program").st_mode, look("program").st_uid);
}

static void nodes(void)
{
	say("FIFO", mkfifo("pipe", 0600));
	say("device", mknod("null", S_IFCHR | 0666, 1 << 8 | 3));
	printf("kinds: %o %o\n", look("pipe").st_mode, look("null").st_mode);
}

static void sizes(void)
{
	int fd = make("large");

	say("a large file", ftruncate(fd, 1LL << 40));
	printf("its size: %lld\n", (long long)look("large").st_size);
	(void)close(fd);
	fd = open("large", O_WRONLY | O_APPEND | O_CLOEXEC);
	say("truncate", truncate("large", 3));
	printf("appended: %zd\n", write(fd, "abc", 3));
	say("sync", fsync(fd));
	printf("its size: %lld\n", (long long)look("large").st_size);
	(void)close(fd);
}

static void mapped(void)
{
	int fd = make("mapped");
	char *map;

	(void)!ftruncate(fd, PAGE);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		say("map", -1);
		return;
	}
	map[7] = 'm';
	say("write back", msync(map, PAGE, MS_SYNC));
	(void)munmap(map, PAGE);
	(void)!pread(fd, (char[8]){ 0 }, 8, 0);
	printf("mapped: %lld\n", (long long)look("mapped").st_size);
	(void)close(fd);
}

/* The names in the events of one directory, in their order. */
static void watched(void)
{
	static const struct {
		uint32_t mask;
		const char *name;
	} kinds[] = { { IN_CREATE, "create" },
		      { IN_MOVED_FROM, "from" },
		      { IN_MOVED_TO, "to" },
		      { IN_DELETE, "delete" },
		      { IN_MODIFY, "modify" } };
	_Alignas(struct inotify_event) char buf[PAGE];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), file;
	ssize_t n;

	(void)mkdir("watched", 0755);
	(void)inotify_add_watch(fd, "watched", IN_CREATE | IN_MOVE | IN_DELETE | IN_MODIFY);
	file = make("watched/x");
	(void)!write(file, "x", 1);
	(void)close(file);
	(void)rename("watched/x", "watched/y");
	(void)unlink("watched/y");
	n = read(fd, buf, sizeof(buf));
	printf("events:");
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			if (e->mask & kinds[i].mask)
				printf(" %s", kinds[i].name);
		}
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	puts("");
	(void)close(fd);
}

static void removed_while_open(void)
{
	int fd = make("removed");
	char text[8] = "";

	(void)!write(fd, "still", 5);
	say("remove", unlink("removed"));
	printf("what it has: %s", pread(fd, text, 5, 0) == 5 ? text : said(-1));
	printf(", there: %d\n", access("removed", F_OK) == 0);
	(void)close(fd);
}

static int alone(void)
{
	sparse();
	attributes();
	direct();
	temporary();
	renames();
	links();
	names();
	modes();
	nodes();
	sizes();
	mapped();
	watched();
	removed_while_open();
	return 0;
}

/* --- two containers --- */

static struct flock whole(short type)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET };
}

static struct sockaddr_un address(void)
{
	return (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "socket" };
}

static int await(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, WAIT_MS) == 1 ? 0 : -1;
}

/* Bytes: 0 came through the FIFO, 1 is the created file. */
static char *shared_page(void)
{
	int fd = open("page", O_RDWR | O_CLOEXEC);
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)close(fd);
	return page == MAP_FAILED ? NULL : page;
}

static int serve(void)
{
	struct sockaddr_un a = address();
	struct flock lock = whole(F_WRLCK);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int notes = inotify_init1(IN_CLOEXEC), pipe, client;
	char *page;

	if (ftruncate(make("page"), PAGE) < 0 || !(page = shared_page()) ||
	    flock(make("flock"), LOCK_EX) < 0 || fcntl(make("posix"), F_SETLK, &lock) < 0 ||
	    fcntl(make("ofd"), F_OFD_SETLK, &lock) < 0 || mkfifo("fifo", 0600) < 0 ||
	    mkdir("inbox", 0755) < 0 || inotify_add_watch(notes, "inbox", IN_CREATE) < 0 ||
	    bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 1) < 0) {
		perror("serve");
		return 1;
	}
	pipe = open("fifo", O_RDWR | O_CLOEXEC);
	(void)close(make("ready"));
	if (await(pipe) < 0 || read(pipe, page, 1) != 1)
		return 2;
	if (await(notes) < 0)
		return 3;
	page[1] = 'i';
	if (await(listener) < 0 || (client = accept(listener, NULL, NULL)) < 0)
		return 4;
	(void)!write(client, "hello\n", 6);
	(void)close(client);
	return 0;
}

static const char *page_becomes(const volatile char *page, int at, char what)
{
	for (int waited = 0; page && waited < WAIT_MS; waited += STEP_MS) {
		if (page[at] == what)
			return "seen";
		(void)poll(NULL, 0, STEP_MS);
	}
	return "not seen";
}

/* Waits as programs wait for a changed ConfigMap: prints a line each time "..data" is replaced,
 * twice. */
static int watch(void)
{
	_Alignas(struct inotify_event) char buf[PAGE];
	int notes = inotify_init1(IN_CLOEXEC);
	ssize_t n;

	if (inotify_add_watch(notes, ".", IN_MOVED_TO) < 0)
		return 1;
	puts("watching");
	(void)fflush(stdout);
	for (int times = 0; times < 2 && (n = read(notes, buf, sizeof(buf))) > 0;) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);

			if (strcmp(e->name, "..data") == 0) {
				printf("changed %d\n", ++times);
				(void)fflush(stdout);
			}
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	return 0;
}

static int visit(void)
{
	struct sockaddr_un a = address();
	struct flock lock = whole(F_WRLCK);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipe;
	char text[16] = "", *page;

	for (int waited = 0; access("ready", F_OK) < 0 && waited < WAIT_MS; waited += STEP_MS)
		(void)poll(NULL, 0, STEP_MS);
	page = shared_page();
	say("flock", flock(open("flock", O_RDWR | O_CLOEXEC), LOCK_EX | LOCK_NB));
	say("POSIX lock", fcntl(open("posix", O_RDWR | O_CLOEXEC), F_SETLK, &lock));
	say("OFD lock", fcntl(open("ofd", O_RDWR | O_CLOEXEC), F_OFD_SETLK, &lock));
	pipe = open("fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	say("FIFO", pipe < 0 ? pipe : (int)write(pipe, "f", 1));
	printf("by the FIFO, in a shared page: %s\n", page_becomes(page, 0, 'f'));
	(void)close(make("inbox/letter"));
	printf("a watched directory: %s\n", page_becomes(page, 1, 'i'));
	say("socket", connect(s, (struct sockaddr *)&a, sizeof(a)));
	if (await(s) == 0 && read(s, text, sizeof(text) - 1) > 0)
		printf("it says %s", text);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} verbs[] = {
		{ "alone", alone }, { "serve", serve }, { "visit", visit }, { "watch", watch }
	};

	if (argc != 3 || chdir(argv[2]) < 0) {
		(void)fprintf(stderr, "files: VERB DIR: %s\n", strerror(errno));
		return 1;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return verbs[i].run();
	}
	return 1;
}
