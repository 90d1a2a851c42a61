/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor of one instance: a small process of ours between the server and the model server.
 *
 * It outlives the server, so that a server that restarts finds its instances, what they printed and
 * how they ended; and it ends everything that is its own when no server has been connected for the
 * orphan timeout. It knows the instance folder only:
 *
 *   spec.json   what to start (spec.h); may hold tokens, removed once read
 *   ctl         unix socket of the server, one connection at a time, the newest wins
 *   log         what the model server printed, a bounded ring (ring.h)
 *   state.json  pids, port and end (state.h), replaced atomically
 *   home tmp coglet   the instance's own folders
 *   <id>.sock   unix socket that leads to the model server's port (netns.h), where it has a network
 *               of its own
 *
 * Over `ctl` both sides send one JSON object a line.
 *   server:      {"op":"attach","from":OFFSET}  begins the events: state, lines from that ring
 * offset on, the end
 *                {"op":"stop","grace_ms":N}     SIGTERM to the model server, SIGKILL for everything
 * after N ms
 *                {"op":"kill"}                  SIGKILL for everything
 *                {"op":"forget"}                the end is known: the supervisor may go
 *   supervisor:  {"ev":"state", members of state.json}   after attach, and when they change
 *                {"ev":"line","off":N,"next":M,"text":"…"}   its offset in the ring, and that of
 * the line behind it
 *                {"ev":"exit", members of state.json}     once, after the last line */
#pragma once

#define INIT_SPEC   "spec.json"
#define INIT_SOCKET "ctl"

/* What `berth init --probe UID` answers as its exit code: bits of what this machine lets us have.
 * UID is a user that instances could be; 0: none. */
enum {
    INIT_HAS_MOUNTS = 1,
    INIT_HAS_MEMORY_LIMIT = 2,
    INIT_HAS_CPU_LIMIT = 4,
    INIT_PROBED = 8,
    INIT_HAS_USERS = 16,
    INIT_HAS_HIDDEN_PROCESSES = 32,
    INIT_HAS_PROCESS_LIMIT = 64,
    INIT_HAS_NETWORKS = 128,
};

/* `berth init FOLDER` with main's arguments. Returns 0 once the supervisor runs by itself (in the
 * background), or 1 after a sentence on standard error. */
int init_main(int argc, char **argv);

/* `berth init --box SERVER FOLDER` runs one program of a build (box.h). */
