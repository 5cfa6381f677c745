/* modes.h - how shared parameters are read and written, in names (advanced/params.h says what each promises), and what
 * steps that work in place need to know of a model. */
#ifndef HOGWILD_MODES_H
#define HOGWILD_MODES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(value, row, name, help), in the order of their numbers. */
#define HW_READ_TABLE(X)                                                                 \
    X(HW_READ_ATOMIC, atomic, "atomic", "every coordinate untorn, the vector a mixture") \
    X(HW_READ_CONSISTENT, consistent, "consistent", "exactly one past state")
#define HW_WRITE_TABLE(X)                                                         \
    X(HW_WRITE_ADD, add, "add", "lossless, lock-free")                            \
    X(HW_WRITE_STRIPED, striped, "striped", "lossless, a short lock for a piece") \
    X(HW_WRITE_RACY, racy, "racy", "two updates of a coordinate may become one")  \
    X(HW_WRITE_LOCKED, locked, "locked", "one mutex for all")

#define HW_X(value, row, name, help) value,
typedef enum hw_read_mode { HW_READ_TABLE(HW_X) } hw_read_mode;
typedef enum hw_write_mode { HW_WRITE_TABLE(HW_X) } hw_write_mode;
#undef HW_X

/* AUTO takes the widest path of this CPU; SCALAR is the conforming C11 code, the reference; WIDE asks for vectors
 * and is refused where there are none (and in a ThreadSanitizer build, which only has SCALAR). */
typedef enum hw_path { HW_PATH_AUTO, HW_PATH_SCALAR, HW_PATH_WIDE } hw_path;

/* Losses of a linear model's score: model.h. */
typedef enum hw_sparse_loss {
    HW_SPARSE_SQUARED,
    HW_SPARSE_LOGISTIC,
    HW_SPARSE_HINGE,
    HW_SPARSE_SQUARED_HINGE,
    HW_SPARSE_SOFTMAX
} hw_sparse_loss;

#define HW_MAX_WORKERS 1024
#define HW_MAX_ARRAYS  3

/* A stretch of the parameters. */
typedef struct hw_range {
    size_t first, count; /* in floats */
} hw_range;

#ifdef __cplusplus
}
#endif
#endif
