/* modes.h - how shared parameters are read and written, in names; advanced/params.h says what each promises. */
#ifndef HOGWILD_MODES_H
#define HOGWILD_MODES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hw_read_mode { HW_READ_ATOMIC, HW_READ_CONSISTENT } hw_read_mode;
typedef enum hw_write_mode { HW_WRITE_ADD, HW_WRITE_STRIPED, HW_WRITE_RACY, HW_WRITE_LOCKED } hw_write_mode;

/* AUTO takes the widest path of this CPU; SCALAR is the conforming C11 code, the reference; WIDE asks for vectors
 * and is refused where there are none (and in a ThreadSanitizer build, which only has SCALAR). */
typedef enum hw_path { HW_PATH_AUTO, HW_PATH_SCALAR, HW_PATH_WIDE } hw_path;

#define HW_MAX_WORKERS 1024
#define HW_MAX_ARRAYS  3

/* A stretch of the parameters. */
typedef struct hw_range {
    size_t first, count; /* in floats */
} hw_range;

/* The layout of a factorisation's rows and heads: hw_params_pairs (advanced/params.h) says what a step does to them. */
typedef struct hw_pairs {
    size_t a, b, head_a, head_b, stride;
    unsigned rank;
    float mean, l2;
    int biases, adagrad;
} hw_pairs;

#ifdef __cplusplus
}
#endif
#endif
