/*
 * witness.c - compares what the server says of itself with what this process saw before.
 *
 *        ours                     theirs
 *   ------|=========================|--------> WAL      slot_moved: whatever was committed in between was never sent to us
 *
 *        wal_end                  ours
 *   ------|=========================|--------> WAL      server_behind: Kafka may hold events that this server does not know, and new transactions
 *                                                       that it writes in this range would be skipped without a word
 *
 *   timeline 1   ------|=========.= = = = = = = >         other_timeline: both write on, and what one of them writes after the branch the other never had.
 *   timeline 2                    \===ours======>         Positions of the two do not compare
 *
 *   timeline 1   ----------.=ours===|                      server_behind, too, however far timeline 2 has got meanwhile
 *   timeline 2             \----------------->              (`ours` ends with the newest event: log without any may be lost, and is told as confirmed, too)
 *
 *   timeline 1   ----------.====ours|                      slot_moved: what timeline 2 wrote between the branch and `theirs` was never sent to us, however far
 *   timeline 2             \===theirs--->                  beyond the branch we had confirmed on timeline 1
 *
 * Asked twice for each stream: before START_REPLICATION, so that nothing is begun on a server that is not what it was, and behind it, when nobody else can move the
 * slot any more. Only the highest confirmed position is kept: below it everything is in Kafka, so a slot anywhere below is safe, however it came there.
 */
#include "session/witness.h"

#include <stdio.h>
#include <string.h>

#include "fault_point.h"

void witness_init(struct witness *witness)
{
  *witness = (struct witness){0};
}

static enum verdict judge_server(const struct witness *witness, const struct server_facts *facts, struct problem *problem)
{
  enum verdict verdict;

  if (strncmp(witness->system_id, facts->system_id, sizeof(witness->system_id)) == 0) {
    return VERDICT_OK;
  }
  if (witness->knows_position) {
    verdict =
        problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "other_server",
                    "database system %.*s is not the one streamed from before, %.*s: events from %s on may be missing, positions of the two do not compare",
                    (int)sizeof(facts->system_id), facts->system_id, (int)sizeof(witness->system_id), witness->system_id, lsn_text(witness->confirmed).text);
  } else {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "other_server",
                          "database system %.*s is not the one streamed from before, %.*s: events may be missing", (int)sizeof(facts->system_id),
                          facts->system_id, (int)sizeof(witness->system_id), witness->system_id);
  }
  problem_hint(problem, "let postgres.url lead to the former server; if the database was moved for good, compare the outbox table with Kafka, publish what "
                        "is missing, then restart the relay to accept the new server");
  return verdict;
}

static enum verdict refuse_timeline(const struct witness *witness, const struct server_facts *facts, struct problem *problem)
{
  (void)problem_set(
      problem, VERDICT_FATAL, EXIT_POSITION, "other_timeline",
      "the server is on timeline %u, but this relay has streamed from timeline %u of the same system, and the server does not come from there: what "
      "was committed on either after they parted is unknown to the other",
      (unsigned int)facts->timeline, (unsigned int)witness->timeline);
  problem_hint(problem, "the server is a former primary, or was restored: let postgres.url lead to the one that was promoted; if this one is to stay, "
                        "compare the outbox table with Kafka, then restart the relay to accept it");
  return VERDICT_FATAL;
}

static enum verdict judge_timeline(const struct witness *witness, const struct server_facts *facts, struct problem *problem)
{
  const struct timeline_end *left = timeline_history_find(&facts->history, witness->timeline);

  if (facts->timeline < witness->timeline || (facts->timeline > witness->timeline && facts->history.count > 0 && left == NULL)) {
    return refuse_timeline(witness, facts, problem);
  }
  if (facts->timeline > witness->timeline && left != NULL && witness->knows_position && left->end <= witness->published) {
    const Lsn end = witness->confirmed > witness->published ? witness->confirmed : witness->published;

    (void)problem_set(
        problem, VERDICT_FATAL, EXIT_POSITION, "server_behind",
        "the server was promoted at %s, behind which it has nothing of what its predecessor wrote, but this relay had published up to %s: events from "
        "%s to %s may be in Kafka and not in the database",
        lsn_text(left->end).text, lsn_text(end).text, lsn_text(left->end).text, lsn_text(end).text);
    problem_hint(problem,
                 "a standby that lagged was promoted: compare that range of the former primary, as far as it can be read, with Kafka, then restart the relay "
                 "to go on from the server's position; synchronized_standby_slots prevents it");
    return VERDICT_FATAL;
  }
  return VERDICT_OK;
}

/* Promoted, and known to come from where we were: what counts is where it parted. Its log may well end before what we confirmed. */
static bool is_successor(const struct witness *witness, const struct server_facts *facts)
{
  return witness->has_streamed && facts->timeline > witness->timeline && timeline_history_find(&facts->history, witness->timeline) != NULL;
}

/* How far what we confirmed is this server's: a successor uses the positions behind the branch again. */
static Lsn confirmed_here(const struct witness *witness, const struct server_facts *facts)
{
  const struct timeline_end *left = is_successor(witness, facts) ? timeline_history_find(&facts->history, witness->timeline) : NULL;

  return left != NULL && left->end < witness->confirmed ? left->end : witness->confirmed;
}

/* What a standby says of its log is how far it has replayed, which a crash took back to its last checkpoint: what it had beyond is still there, and comes by and by. */
static enum verdict wait_for_replay(const struct server_facts *facts, const char *whose, Lsn wanted, struct problem *problem)
{
  (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "still_replaying",
                    "the server is a standby that has replayed its log up to %s, and %s to %s before", lsn_text(facts->wal_end).text, whose,
                    lsn_text(wanted).text);
  problem_hint(problem, "behind a crash it gets there by itself; if its replay stands still there, it was restored, or is paused, and may never have what "
                        "Kafka has: let postgres.url lead to the right server, or promote this one, which is then judged");
  return VERDICT_RETRY;
}

enum verdict witness_judge(const struct witness *witness, const struct server_facts *facts, struct problem *problem)
{
  enum verdict verdict;
  Lsn ours;

  if (witness->has_streamed) {
    /* First: positions of another server mean nothing here. */
    verdict = judge_server(witness, facts, problem);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
    verdict = judge_timeline(witness, facts, problem);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  if (facts->confirmed > facts->wal_end && facts->is_in_recovery) {
    return wait_for_replay(facts, "its slot was confirmed", facts->confirmed, problem);
  }
  if (facts->confirmed > facts->wal_end) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "position_ahead",
                          "replication slot is at %s, ahead of the server's end of WAL %s: transactions from %s to %s would be skipped",
                          lsn_text(facts->confirmed).text, lsn_text(facts->wal_end).text, lsn_text(facts->wal_end).text, lsn_text(facts->confirmed).text);
    problem_hint(problem, "something confirmed a position that does not exist, or the server was restored without its slot: compare the outbox table with "
                          "Kafka; then cdc-relay drop --yes --keep-publication, and cdc-relay init --accept-gap");
    return verdict;
  }
  if (!witness->knows_position) {
    return VERDICT_OK;
  }
  if (facts->wal_end < witness->confirmed && facts->is_in_recovery && !is_successor(witness, facts)) {
    return wait_for_replay(facts, "this relay had confirmed", witness->confirmed, problem);
  }
  if (facts->wal_end < witness->confirmed && !is_successor(witness, facts)) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "server_behind",
                          "position ahead of the server: confirmed up to %s, but the server's WAL ends at %s: events from %s to %s may be in Kafka and not in "
                          "the database",
                          lsn_text(witness->confirmed).text, lsn_text(facts->wal_end).text, lsn_text(facts->wal_end).text, lsn_text(witness->confirmed).text);
    problem_hint(problem, "the server was restored from a backup, or is a standby that lagged when it was promoted: connect to the right server, or compare "
                          "that range with Kafka, then restart the relay to go on from the server's position");
    return verdict;
  }
  ours = confirmed_here(witness, facts);
  if (!MUTANT(MOVED_SLOT_ACCEPTED) && !facts->slot_is_active && facts->confirmed > ours) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "slot_moved",
                          "replication slot is at %s, but this relay confirmed only up to %s%s: events from %s to %s may be missing",
                          lsn_text(facts->confirmed).text, lsn_text(ours).text, ours < witness->confirmed ? ", where the server was promoted" : "",
                          lsn_text(ours).text, lsn_text(facts->confirmed).text);
    problem_hint(problem, "the slot was created anew or advanced by somebody else: publish the events of that range that the outbox table still holds, then "
                          "restart the relay to go on from the slot's position");
    return verdict;
  }
  return VERDICT_OK;
}

void witness_complete(const struct witness *witness, struct problem *problem)
{
  size_t length = strlen(problem->text);

  if (witness->knows_position && strcmp(problem->cause, "slot_missing") == 0) {
    (void)snprintf(problem->text + length, sizeof(problem->text) - length,
                   "; this relay had confirmed up to %s: events from there on, or from where the server was promoted if that lies before, may be missing",
                   lsn_text(witness->confirmed).text);
  }
}

void witness_started(struct witness *witness, const struct server_facts *facts)
{
  if (!witness->knows_position) {
    witness->published = facts->confirmed > 0 ? facts->confirmed - 1 : 0;
  }
  if (!witness->knows_position || facts->confirmed > witness->confirmed || facts->timeline != witness->timeline) {
    witness->knows_position = true;
    witness->confirmed = facts->confirmed;
  }
  witness->has_streamed = true;
  memcpy(witness->system_id, facts->system_id, sizeof(witness->system_id));
  witness->timeline = facts->timeline;
}

void witness_published(struct witness *witness, Lsn commit_lsn)
{
  if (commit_lsn > witness->published) {
    witness->published = commit_lsn;
  }
}

void witness_confirmed(struct witness *witness, Lsn lsn)
{
  if (witness->knows_position && lsn > witness->confirmed) {
    witness->confirmed = lsn;
  }
}

void witness_forget_position(struct witness *witness)
{
  witness->knows_position = false;
  witness->confirmed = 0;
  witness->published = 0;
}
