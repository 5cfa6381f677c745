/* checkpoint.h - a state in a file, and a folder of the last few of them: written so that a crash, a kill or a full
 * disk at any moment leaves the newest finished one readable.
 *
 * The file is in the safetensors format: arrays are its tensors (Python's safetensors opens them), single values are a
 * JSON document in its metadata, beside a checksum over every byte of the file. docs/formats.md describes it.
 *
 * A checkpoint is written into a temporary file of the same folder, fsynced, closed, renamed to its name, and the
 * folder is fsynced: after save has returned HW_OK it survives a kill -9 and, as far as the disk keeps its word, a
 * power cut. On an error the older ones are untouched. Every byte of a file is untrusted when it is read: no more
 * memory is taken than the bytes present call for. The checksum finds accidents, not attackers: a file that somebody
 * made to look whole is read as what it says. Functions may be called by any thread; two at once on one folder are the
 * caller's mistake. On big-endian machines all of them return HW_E_UNSUPPORTED. */
#ifndef HOGWILD_CHECKPOINT_H
#define HOGWILD_CHECKPOINT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One file. save replaces what was there, whole: HW_E_IO, HW_E_MEMORY, HW_E_LIMIT (names and single values of more than
 * 100 MB). load clears the state and fills it, arrays first, or leaves it empty on an error: HW_E_IO, HW_E_FORMAT (not
 * safetensors, not ours, damaged: a sentence says what), HW_E_MEMORY. why: HW_WHY bytes or NULL; "" where all is well.
 * Neither makes a second copy of the arrays. */
HW_API hw_status hw_state_save(const hw_state *state, const char *path, char *why);
HW_API hw_status hw_state_load(hw_state *state, const char *path, char *why);

/* A folder of checkpoints, made where it is missing: checkpoint-<step, 12 digits>.safetensors. save writes number
 * `step` (at most 12 digits) and removes all but the newest `keep` (at least 2), and temporary files that a killed
 * process left behind; names of others are left alone. A failure to remove is no error. The newest is the one of the
 * largest number: the one just written stays in any case, but a run that starts again at 1 wants a folder of its own.
 * HW_E_ARGUMENT, else as hw_state_save. */
HW_API hw_status hw_checkpoint_save(const char *folder, uint64_t step, unsigned keep, const hw_state *state, char *why);
/* The newest one that is whole: damaged ones are passed over, and why then names them even with HW_OK ("" otherwise).
 * path (size bytes, may be NULL) gets its name; HW_E_ARGUMENT where that could be too long. HW_E_IO where the folder
 * has none or none can be read, HW_E_FORMAT where none is whole, HW_E_MEMORY. A path to a file instead of a folder
 * loads that file. */
HW_API hw_status hw_checkpoint_load(const char *folder, hw_state *state, char *path, size_t size, char *why);

/* The file's name, without the folder, of checkpoint `step` (size bytes; HW_E_ARGUMENT where that is too few or step
 * has more than 12 digits); and the largest number of a checkpoint in a folder, whole or not: HW_E_IO where there is
 * none. */
HW_API hw_status hw_checkpoint_name(uint64_t step, char *name, size_t size);
HW_API hw_status hw_checkpoint_newest(const char *folder, uint64_t *step);

/* Plain weights: a 32-byte header ("HWFLOATS", version, count, checksum), then little-endian float32. Replaced whole.
 */
HW_API hw_status hw_weights_save(const char *path, const float *params, size_t count, char *why);
HW_API hw_status hw_weights_load(const char *path, float *params, size_t count, char *why);

#ifdef __cplusplus
}
#endif
#endif
