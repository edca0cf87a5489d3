// SPDX-License-Identifier: Apache-2.0
/*
 * The round. Messages of node arrive on another thread; the newest of each kind is kept, under the
 * lock. A round copies them, calls the API server without the lock, and leaves messages for node.
 */

#include "deploy/report/report-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>

enum {
	WAIT_MS = 2000,        /* between two attempts to get a turn; */
	WAIT_PER_NODE_MS = 15, /* in a large cluster so much for each node */
	STOPPED_MS = 30000,    /* likewise, after failures have stopped the turns */
	ABSENT_MS = 5000,      /* until the next round, if the node object does not exist */
	RETRY_MS = 1000,       /* after a round that failed, doubled up to RETRY_MAX */
	RETRY_MAX = 60000,
	ADOPTED_MS = 15000,       /* a turn that node does not request for so long is given back */
	TURN_SILENCE_MS = 600000, /* after so long without a connection a turn is not renewed */
	LOOK_MS = 10000,          /* the least time between two reads of the Leases */
	WAIT_ROUNDS = 8,          /* of so many rounds that wait for a turn one is a full round */
};

/* The newest messages of node. */
struct box {
	bool has_state, connected;
	uint64_t since; /* when the connection was made or ended, as clock_ms() */
	struct node_state state;
	bool wants, ended; /* want and end are valid */
	unsigned asked;    /* how many want-turns have arrived */
	struct message want, end;
};

struct report {
	const struct report_options *o;
	struct kube *k;
	char *instance, *path;
	pthread_mutex_t lock; /* guards the members from in to counts */
	struct box in;
	bool say_turn, say_request, hurry; /* messages to send; report_hurry() */
	char turn_id[MESSAGE_NAME];
	/* What node was told since the connection was made: nothing yet, or the request to
	 * uninstall; empty: that there is none. */
	bool told;
	char uninstall_id[MESSAGE_NAME];
	struct report_counts counts;
	/* Of the thread that runs the rounds. */
	struct box now; /* in, when the round began */
	struct pace pace;
	struct kube_recorder recorder;
	unsigned failures;       /* rounds that failed, in a row */
	unsigned stable;         /* rounds in a row in which the label was "true" */
	uint64_t restarts;       /* node_state.restarts when stable was last 0 */
	bool granted;            /* node has been granted its turn */
	bool stopped;            /* failures have stopped the turns */
	bool foreign;            /* wish.foreign */
	bool gone;               /* node has uninstalled, and everything was removed */
	unsigned answered;       /* box.asked when the turn was granted last */
	unsigned waits;          /* rounds while a turn is awaited */
	struct node_state shown; /* the state that the last full round published */
	uint64_t renewed;        /* when the turn was renewed, as clock_ms() */
	char *judged;       /* the request for all nodes that request_counts() was called for, */
	bool counts_for_us; /* and its answer */
};

/* --- before and after a round --- */

static int refuse_suffix(const char *suffix, const char *why, struct err *err)
{
	(void)err_set(err, E_USAGE, "the suffix '%.64s' %s", suffix, why);
	return err_hint(err, "use up to %d of a-z, 0-9 and '-'", REPORT_SUFFIX_MAX);
}

int report_check(const struct report_options *o, struct err *err)
{
	static const char *const taken[] = { REPORT_DEFAULT, "kata-runtime" };
	uint64_t limit;

	if (str_empty(o->node)) {
		(void)err_set(err, E_USAGE, "the node has no name");
		return err_hint(err, "give --node NAME: the name that it has in the cluster");
	}
	if (kube_check_name(o->node, "node", err) < 0 ||
	    (o->space && kube_check_name(o->space, "namespace", err) < 0) ||
	    (o->pace.set && kube_check_name(o->pace.set, "DaemonSet", err) < 0))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (str_eq(o->suffix, taken[i]))
			return refuse_suffix(o->suffix, "is taken", err);
	}
	if (!str_empty(o->suffix) && (kube_check_label(o->suffix, "suffix", err) < 0 ||
				      kube_check_name(o->suffix, "suffix", err) < 0))
		return -1;
	if (!str_empty(o->suffix) &&
	    (strchr(o->suffix, '.') || strlen(o->suffix) > REPORT_SUFFIX_MAX))
		return refuse_suffix(o->suffix, "has a '.', or is too long", err);
	strv_each(taint, o->taints) {
		if (taint_check(*taint, err) < 0)
			return -1;
	}
	if (o->pace.seconds < 10 || o->pace.seconds > 3600)
		return err_set(err, E_USAGE, "a turn of %u seconds; 10 to 3600 are possible",
			       o->pace.seconds);
	if (o->pace.failures < 1) {
		(void)err_set(err, E_USAGE, "no turn would be given if 0 failures stop them");
		return err_hint(err, "give --failures 1 or more");
	}
	return pace_limit(o->pace.at_once, 0, &limit, err);
}

struct report *report_new(const struct report_options *o, struct kube *k)
{
	struct report *r = NEW(struct report);

	r->o = o;
	r->k = k;
	r->instance = xstrdup(str_empty(o->suffix) ? REPORT_DEFAULT : o->suffix);
	r->path = kube_path("api", "v1", "nodes", o->node, NULL);
	if (pthread_mutex_init(&r->lock, NULL) != 0)
		bug("no mutex");
	r->in.since = clock_ms();
	r->recorder = (struct kube_recorder){ .controller = REPORT_CONTROLLER,
					      .instance = o->node,
					      .node = o->node };
	pace_init(&r->pace, o, r->instance, o->space ? o->space : kube_namespace(k));
	return r;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	pace_release(&r->pace);
	kube_recorder_release(&r->recorder);
	(void)pthread_mutex_destroy(&r->lock);
	free(r->judged);
	free(r->instance);
	free(r->path);
	free(r);
}

void report_hear(struct report *r, const struct message *m)
{
	(void)pthread_mutex_lock(&r->lock);
	if (m->kind == MESSAGE_STATE) {
		r->in.state = m->state;
		r->in.has_state = true;
	} else if (m->kind == MESSAGE_WANT_TURN) {
		r->in.want = *m;
		r->in.wants = true;
		r->in.asked++;
	} else if (m->kind == MESSAGE_END_TURN) {
		r->in.end = *m;
		r->in.ended = true;
		r->in.wants = false;
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void report_connected(struct report *r, bool connected)
{
	(void)pthread_mutex_lock(&r->lock);
	if (r->in.connected != connected)
		r->in.since = clock_ms();
	r->in.connected = connected;
	if (connected) {
		r->in.wants = false; /* node will send want-turn again */
		r->say_turn = r->say_request = r->told = false;
		r->uninstall_id[0] = '\0';
	}
	(void)pthread_mutex_unlock(&r->lock);
}

bool report_say(struct report *r, struct message *m)
{
	bool some;

	memset(m, 0, sizeof(*m));
	(void)pthread_mutex_lock(&r->lock);
	some = r->say_turn || r->say_request;
	/* The request comes first: with its turn node would begin what is to be undone. */
	if (r->say_request) {
		m->kind = *r->uninstall_id ? MESSAGE_UNINSTALL : MESSAGE_KEEP;
		message_text(m->id, sizeof(m->id), r->uninstall_id);
		r->say_request = false;
	} else if (r->say_turn) {
		m->kind = MESSAGE_TURN;
		message_text(m->id, sizeof(m->id), r->turn_id);
		r->say_turn = false;
	}
	(void)pthread_mutex_unlock(&r->lock);
	return some;
}

void report_hurry(struct report *r)
{
	(void)pthread_mutex_lock(&r->lock);
	r->hurry = true;
	(void)pthread_mutex_unlock(&r->lock);
}

struct report_counts report_counts(struct report *r)
{
	struct report_counts counts;

	(void)pthread_mutex_lock(&r->lock);
	counts = r->counts;
	(void)pthread_mutex_unlock(&r->lock);
	return counts;
}

static void publish(struct report *r, bool failed)
{
	(void)pthread_mutex_lock(&r->lock);
	r->counts.rounds++;
	r->counts.failures += failed;
	r->counts.waiting = r->now.wants && !r->granted;
	r->counts.holding = r->granted;
	r->counts.stopped = r->stopped;
	r->counts.done = r->gone;
	(void)pthread_mutex_unlock(&r->lock);
}

/* --- the condition --- */

static const char *const reasons[] = {
	[PHASE_STARTING] = "Starting",       [PHASE_WAITING] = "WaitingForTurn",
	[PHASE_INSTALLING] = "Installing",   [PHASE_READY] = "Ready",
	[PHASE_DRIFTED] = "Drifted",         [PHASE_REPAIRING] = "Repairing",
	[PHASE_FAILED] = "Failed",           [PHASE_UNINSTALLING] = "Uninstalling",
	[PHASE_UNINSTALLED] = "Uninstalled",
};

static bool is_gone(const struct report *r)
{
	return r->now.has_state && r->now.state.phase == PHASE_UNINSTALLED;
}

static void describe(const struct report *r, struct buf *text)
{
	const struct node_state *s = &r->now.state;

	if (s->phase == PHASE_FAILED || *s->message)
		buf_fmt(text, "%s%s%s", s->code, *s->code && *s->message ? ": " : "", s->message);
	if (r->stopped)
		buf_fmt(text,
			"%sno more turns are given: %llu nodes failed in theirs, see the "
			"Leases " REPORT_PREFIX "kind=failed",
			text->len ? "; " : "", (unsigned long long)r->pace.failed);
	if (*s->version)
		buf_fmt(text, "%sversion %s", text->len ? "; " : "", s->version);
	if (*s->manager)
		buf_fmt(text, " with %s", s->manager);
	if (*s->kernel)
		buf_fmt(text, ", proved with kernel %s", s->kernel);
	if (s->drift)
		buf_fmt(text, ", %llu files differ", (unsigned long long)s->drift);
	if (r->foreign)
		buf_fmt(text, "%sa label of this name is somebody else's and was left as it is",
			text->len ? "; " : "");
}

static void set_type(const struct report *r, char *to, size_t size)
{
	(void)str_print(to, size, "KataReady%s%s", str_empty(r->o->suffix) ? "" : "-",
			str_empty(r->o->suffix) ? "" : r->o->suffix);
}

static bool is_silent(const struct report *r)
{
	return !r->now.connected && clock_ms() - r->now.since >= REPORT_SILENCE_MS;
}

/* Fills the condition for node's state; returns false if it shall stay as it is. */
static bool set_condition(const struct report *r, struct condition *c)
{
	AUTO(buf) struct buf text = BUF_INIT(4096);
	const struct node_state *s = &r->now.state;
	const char *reason = reasons[s->phase];

	set_type(r, c->type, sizeof(c->type));
	if (is_silent(r)) {
		c->status = "Unknown";
		reason = "Silent";
		buf_str(&text, "kata-deploy node does not answer");
	} else {
		/* After a restart of node the condition stays until node has looked. */
		if (!r->now.has_state || s->phase == PHASE_STARTING)
			return false;
		c->status = s->ready ? "True" : "False";
		if (r->stopped)
			reason = "RolloutStopped";
		describe(r, &text);
	}
	(void)str_print(c->reason, sizeof(c->reason), "%s", reason);
	message_text(c->message, sizeof(c->message), buf_cstr(&text));
	return true;
}

static void set_wish(const struct report *r, struct wish *w)
{
	const struct node_state *s = &r->now.state;

	*w = (struct wish){ .instance = r->instance,
			    .gone = is_gone(r),
			    .version = s->version,
			    .generation = s->generation,
			    .serial = s->serial };
	if (r->now.has_state && (s->ready || s->claimed))
		w->value = s->ready ? "true" : "false";
	if (s->ready && r->stable >= REPORT_STABLE)
		w->taints = r->o->taints;
}

/* --- the node object --- */

static struct json *make_patch(void *arg, const struct json *node, struct err *err)
{
	(void)err;
	return wish_patch(arg, node);
}

/* Makes an Event of a change of the condition. */
static int make_event(struct report *r, const struct condition *c, struct deadline deadline,
		      struct err *err)
{
	const struct kube_occurrence h = {
		.warning = str_eq(c->reason, "Failed") || str_eq(c->reason, "RolloutStopped") ||
			   str_eq(c->reason, "Drifted") || str_eq(c->reason, "Silent"),
		.reason = c->reason,
		.action = "Deploy",
		.note = *c->message ? c->message : c->reason,
	};

	log_info("state", LOG_S("reason", c->reason), LOG_S("ready", c->status),
		 LOG_S("message", c->message));
	return kube_record(r->k, &r->recorder, &h, deadline, err);
}

static int patch_status(struct report *r, const struct json *patch, struct deadline deadline,
			struct err *err)
{
	AUTO(str) char *path = str_fmt("%s/status", r->path);
	AUTO(json)
	struct json *after = kube_patch(r->k, path, KUBE_STRATEGIC, patch, deadline, err);

	return after ? 0 : -1;
}

static int show_condition(struct report *r, const struct json *node, struct deadline deadline,
			  struct err *err)
{
	struct condition c;
	AUTO(json) struct json *patch = NULL;
	bool news = false;

	if (is_gone(r)) {
		set_type(r, c.type, sizeof(c.type));
		patch = condition_removal(c.type, node);
		c = (struct condition){ .status = "False", .reason = "Uninstalled" };
		news = patch;
	} else if (set_condition(r, &c)) {
		patch = condition_patch(&c, node, &news);
	}
	if (patch && patch_status(r, patch, deadline, err) < 0)
		return -1;
	/* A lost Event is no failure of the round: the condition has the same text. */
	if (news && make_event(r, &c, deadline, err) < 0) {
		log_err(LOG_WARN, err, "an Event is lost");
		err_clear(err);
	}
	return kube_record_count(r->k, &r->recorder, deadline, err);
}

static int show_labels(struct report *r, const struct json *node, struct deadline deadline,
		       struct err *err)
{
	AUTO(json) struct json *patch = NULL, *after = NULL;
	struct wish w;

	if (r->now.state.restarts != r->restarts || !r->now.state.ready) {
		r->restarts = r->now.state.restarts;
		r->stable = 0;
	}
	set_wish(r, &w);
	if (r->now.state.ready && (wish_label_is(&w, node, "true") || r->foreign))
		r->stable += r->stable < REPORT_STABLE;
	else
		r->stable = 0;
	set_wish(r, &w);
	patch = wish_patch(&w, node);
	r->foreign = w.foreign;
	if (!patch)
		return 0;
	after = kube_change(r->k, r->path, "", make_patch, &w, deadline, err);
	r->foreign = w.foreign;
	return after ? 0 : -1;
}

/* --- turns --- */

static uint64_t adopted_ms(const struct report *r)
{
	return r->o->adopted_ms ? r->o->adopted_ms : ADOPTED_MS;
}

static bool is_turn_of_ours(const struct report *r)
{
	return r->now.wants || r->granted;
}

/* Grants node its turn. */
static void answer(struct report *r)
{
	r->answered = r->now.asked;
	(void)pthread_mutex_lock(&r->lock);
	message_text(r->turn_id, sizeof(r->turn_id), r->now.want.id);
	r->say_turn = true;
	r->counts.turns += !r->granted;
	(void)pthread_mutex_unlock(&r->lock);
	r->granted = true;
	r->stopped = false;
}

/* Tries to acquire a turn for node. */
static int ask(struct report *r, struct deadline deadline, struct err *err)
{
	enum pace_answer how;
	bool last = r->now.state.phase == PHASE_UNINSTALLING;

	if (pace_acquire(&r->pace, r->k, r->now.want.held, last, &how, deadline, err) < 0)
		return -1;
	r->stopped = how == PACE_STOPPED;
	if (how == PACE_GO) {
		r->renewed = clock_ms();
		answer(r);
	}
	return 0;
}

/* Renews the turn, unless that was done lately. */
static int keep(struct report *r, struct deadline deadline, struct err *err)
{
	enum pace_answer how;

	if (clock_ms() - r->renewed < r->o->pace.seconds * 1000ULL / 3)
		return 0;
	if (!r->now.connected && clock_ms() - r->now.since >= TURN_SILENCE_MS)
		return 0; /* it expires */
	if (pace_renew(&r->pace, r->k, deadline, err) == 0) {
		r->renewed = clock_ms();
		return 0;
	}
	if (err->code != E_STATE)
		return -1;
	/* Node cannot be stopped: record its turn again, even beyond the limit. */
	log_err(LOG_WARN, err, "the turn was lost");
	err_clear(err);
	(void)pthread_mutex_lock(&r->lock);
	r->counts.lost_turns++;
	(void)pthread_mutex_unlock(&r->lock);
	r->renewed = clock_ms();
	return pace_acquire(&r->pace, r->k, true, false, &how, deadline, err);
}

/* True if the turn of node was for an uninstall, as far as is known here. Its failure, such as a
 * refusal because pods run, is none of the release. */
static bool is_uninstalling(struct report *r)
{
	bool asked;

	(void)pthread_mutex_lock(&r->lock);
	asked = *r->uninstall_id;
	(void)pthread_mutex_unlock(&r->lock);
	return asked || r->now.state.phase == PHASE_UNINSTALLING || is_gone(r);
}

/* Ends the turn. Records a failure before the turn is free, so that no other node begins in
 * between. */
static int end_turn(struct report *r, struct deadline deadline, struct err *err)
{
	if (!r->now.end.good && !is_uninstalling(r) &&
	    pace_mark(&r->pace, r->k, true, deadline, err) < 0)
		return -1;
	if (pace_release_turn(&r->pace, r->k, deadline, err) < 0)
		return -1;
	r->granted = r->stopped = false;
	(void)pthread_mutex_lock(&r->lock);
	if (str_eq(r->in.end.id, r->now.end.id))
		r->in.ended = false;
	(void)pthread_mutex_unlock(&r->lock);
	return 0;
}

/* Ends a turn that an earlier process of this program acquired; the result is in node's state. */
static int end_adopted(struct report *r, struct deadline deadline, struct err *err)
{
	if (r->now.state.phase == PHASE_FAILED && !is_uninstalling(r) &&
	    pace_mark(&r->pace, r->k, true, deadline, err) < 0)
		return -1;
	return pace_release_turn(&r->pace, r->k, deadline, err);
}

/* The part of a round for turns: ends, acquires, grants and renews them, and records failures. */
static int turns(struct report *r, struct deadline deadline, struct err *err)
{
	bool is_well = r->now.has_state && r->now.state.ready;

	if (r->now.ended && end_turn(r, deadline, err) < 0)
		return -1;
	if (r->now.wants && !str_eq(r->turn_id, r->now.want.id))
		r->granted = false;
	if (!r->now.wants)
		r->stopped = false;
	/* Without a connection node could not use a turn. */
	if (r->now.wants && !r->granted)
		return r->now.connected ? ask(r, deadline, err) : 0;
	if (r->now.wants && r->answered != r->now.asked)
		answer(r);
	if (r->now.wants)
		return keep(r, deadline, err);
	/* A node that is starting may wait for the pod before this one, which may still use the
	 * turn. */
	if (r->pace.slot >= 0 && r->now.connected && r->now.has_state &&
	    r->now.state.phase != PHASE_STARTING && clock_ms() - r->now.since >= adopted_ms(r) &&
	    end_adopted(r, deadline, err) < 0)
		return -1;
	if (r->granted && r->pace.slot >= 0 && !r->now.connected)
		return keep(r, deadline, err);
	return is_well || is_gone(r) ? pace_mark(&r->pace, r->k, false, deadline, err) : 0;
}

static bool is_request(const char *id)
{
	struct err ignored = ERR_INIT;

	return id && strlen(id) < MESSAGE_NAME && str_check_id(id, "request", &ignored) == 0;
}

/* *id: the request to uninstall every node, if it is for this installation; otherwise NULL. */
static int request_for_all(struct report *r, const char **id, struct deadline deadline,
			   struct err *err)
{
	const char *is = r->pace.uninstall;

	*id = NULL;
	if (is && !str_eq(is, r->judged)) {
		int counts = request_counts(&r->pace, r->k, deadline, err);

		if (counts < 0)
			return -1;
		if (!counts)
			log_info("a request to uninstall was for an earlier installation",
				 LOG_S("DaemonSet", r->pace.owner));
		r->counts_for_us = counts;
		str_set(&r->judged, is);
	}
	if (is_request(is) && r->counts_for_us)
		*id = is;
	return 0;
}

/* True if node was told since the connection was made what the request is; id "": that there is
 * none. */
static bool was_told(struct report *r, const char *id)
{
	bool was;

	(void)pthread_mutex_lock(&r->lock);
	was = r->told && str_eq(id, r->uninstall_id);
	(void)pthread_mutex_unlock(&r->lock);
	return was;
}

static void tell_request(struct report *r, const char *id)
{
	if (was_told(r, id))
		return;
	(void)pthread_mutex_lock(&r->lock);
	if (r->in.connected) {
		message_text(r->uninstall_id, sizeof(r->uninstall_id), id);
		r->told = r->say_request = true;
	}
	(void)pthread_mutex_unlock(&r->lock);
}

/* Passes a request to uninstall this node, or every node, on to node; or that there is none. That
 * is said only after another look: the last one may be from before the request, or from the
 * server's cache. */
static int pass_request(struct report *r, const struct json *node, struct deadline deadline,
			struct err *err)
{
	AUTO(str) char *key = str_fmt(REPORT_PREFIX "%s.uninstall", r->instance);
	const char *id = node ? kube_meta_of(node, "annotations", key) : NULL;

	if (!is_request(id) && request_for_all(r, &id, deadline, err) < 0)
		return -1;
	if (!id && (!node || !r->now.connected || was_told(r, "")))
		return 0;
	if (!id && (pace_look(&r->pace, r->k, deadline, err) < 0 ||
		    request_for_all(r, &id, deadline, err) < 0))
		return -1;
	tell_request(r, id ? id : "");
	return 0;
}

/* --- the round --- */

/* Returns the ms until the next round. */
static uint64_t pause_of(const struct report *r)
{
	const struct report_options *o = r->o;
	uint64_t wait = o->pace.wait_ms ? o->pace.wait_ms : WAIT_MS;
	uint64_t next = kube_jitter(o->idle_ms ? o->idle_ms : REPORT_IDLE_MS);

	if (r->now.wants && !r->granted) {
		if (wait < r->pace.nodes * WAIT_PER_NODE_MS && !o->pace.wait_ms)
			wait = r->pace.nodes * WAIT_PER_NODE_MS;
		if (r->stopped)
			wait = o->pace.wait_ms ? 2 * wait : STOPPED_MS;
		next = kube_jitter((unsigned)wait);
	} else if (is_turn_of_ours(r) && next > o->pace.seconds * 1000ULL / 3) {
		next = o->pace.seconds * 1000ULL / 3;
	}
	if (r->now.state.ready && r->stable < REPORT_STABLE) {
		uint64_t stable = o->stable_ms ? o->stable_ms : REPORT_STABLE_MS;

		next = next < stable ? next : stable;
	}
	if (r->pace.slot >= 0 && !is_turn_of_ours(r) && next > adopted_ms(r))
		next = adopted_ms(r);
	if (!r->now.connected && next > REPORT_SILENCE_MS)
		next = REPORT_SILENCE_MS;
	return next;
}

static int take_uid(struct report *r, const struct json *node, struct err *err)
{
	const char *uid = kube_meta(node, "uid");

	if (!uid || strlen(uid) > 128)
		return err_set(err, E_PROTOCOL, "the node has no uid");
	str_set(&r->pace.holder_uid, uid);
	return 0;
}

/* True if this round shall only try to get a turn, as most rounds do while node waits: many nodes
 * may wait at once. */
static bool is_only_waiting(struct report *r)
{
	if (!r->now.wants || r->granted || !r->now.connected ||
	    !node_state_same(&r->shown, &r->now.state))
		return false;
	return ++r->waits % WAIT_ROUNDS != 0;
}

/* Reads the Leases, unless that was done lately. */
static int look(struct report *r, struct deadline deadline, struct err *err)
{
	if (r->pace.looked && clock_ms() - r->pace.looked_at < LOOK_MS)
		return 0;
	return pace_look(&r->pace, r->k, deadline, err);
}

/* Publishes the state. After an uninstall the labels are removed last: whoever waits for that may
 * then end this program. */
static int show(struct report *r, const struct json *node, struct deadline deadline,
		struct err *err)
{
	if (is_gone(r))
		return show_condition(r, node, deadline, err) < 0
			       ? -1
			       : show_labels(r, node, deadline, err);
	return show_labels(r, node, deadline, err) < 0 ? -1
						       : show_condition(r, node, deadline, err);
}

static int full_round(struct report *r, uint64_t *next, struct deadline deadline, struct err *err)
{
	AUTO(json) struct json *node = kube_get(r->k, r->path, deadline, err);

	if (!node && err->code == E_NOT_FOUND) {
		/* The node was removed, or its kubelet has not registered it yet. */
		log_debug("the cluster has no such node");
		err_clear(err);
		r->stable = 0;
		*next = ABSENT_MS;
		return 0;
	}
	if (!node || take_uid(r, node, err) < 0 || look(r, deadline, err) < 0)
		return -1;
	if (pass_request(r, node, deadline, err) < 0)
		return -1;
	if (turns(r, deadline, err) < 0 || show(r, node, deadline, err) < 0)
		return -1;
	r->gone = is_gone(r) && r->pace.slot < 0 && !r->pace.marked;
	r->shown = r->now.state;
	*next = pause_of(r);
	return 0;
}

static int round_once(struct report *r, uint64_t *next, struct err *err)
{
	struct deadline deadline = deadline_in(REPORT_STEP_MS);
	bool stopped = r->stopped;

	if (!is_only_waiting(r))
		return full_round(r, next, deadline, err);
	if (ask(r, deadline, err) < 0)
		return -1;
	if (pass_request(r, NULL, deadline, err) < 0)
		return -1;
	if (r->stopped != stopped)
		return full_round(r, next, deadline, err);
	*next = pause_of(r);
	return 0;
}

static void take_news(struct report *r)
{
	(void)pthread_mutex_lock(&r->lock);
	r->now = r->in;
	r->pace.looked = r->pace.looked && !r->hurry;
	r->hurry = false;
	(void)pthread_mutex_unlock(&r->lock);
}

uint64_t report_rate(struct report_rate *r, uint64_t now)
{
	const uint64_t burst = (uint64_t)REPORT_BURST * REPORT_REFILL_MS;

	r->at = (r->at > now ? r->at : now) + REPORT_REFILL_MS;
	return r->at > now + burst ? r->at - now - burst : 0;
}

uint64_t report_step(struct report *r)
{
	struct err err = ERR_INIT;
	uint64_t next = REPORT_IDLE_MS;
	int rc;

	take_news(r);
	rc = round_once(r, &next, &err);
	publish(r, rc < 0);
	if (rc == 0) {
		r->failures = 0;
		r->pace.planned = next;
		return next;
	}
	if (err.code != E_CANCELLED)
		log_err(r->failures ? LOG_DEBUG : LOG_WARN, &err,
			"a round failed; the cluster may not have the newest state");
	next = RETRY_MS;
	for (unsigned i = 0; i < r->failures && next < RETRY_MAX; i++)
		next *= 2;
	r->failures++;
	next = next < RETRY_MAX ? next : RETRY_MAX;
	/* Do not let a turn of ours expire. */
	if (is_turn_of_ours(r) && next > r->o->pace.seconds * 1000ULL / 3)
		next = r->o->pace.seconds * 1000ULL / 3;
	r->pace.planned = next;
	return kube_jitter((unsigned)next);
}
