/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that can answer a dm-user channel: what the engine is measured
 * against. No trace, no checks, no flush; READ and WRITE on one file.
 */
#ifndef BIOSCOPE_BENCH_BARE_LOOP_H
#define BIOSCOPE_BENCH_BARE_LOOP_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Serves until the end of the stream. `batched`: as many messages a read() and
 * a write() as there are, the same as the engine does; otherwise one read() and
 * one write() a message. Blocks. Returns 0 or an errno.
 */
int bare_loop(int read_descriptor, int write_descriptor, int image, int batched);

#ifdef __cplusplus
}
#endif

#endif
