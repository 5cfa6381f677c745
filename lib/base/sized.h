/* sized.h (internal) - structs that begin with their size and grow at their end: a caller that was compiled against an
 * older header has a shorter one, and one compiled against a newer header a longer one. */
#ifndef HW__BASE_SIZED_H
#define HW__BASE_SIZED_H

#include "base.h"
#include "hogwild/objective.h"

/* 0.1's objective ended there. What fills an objective of a caller whose size nobody knows fills so much of it. */
#define HW__OBJECTIVE_LEAST offsetof(hw_objective, layers)

/* The defaults `all` (`full` bytes, its size in front) into the caller's struct of `size` bytes. HW_E_ARGUMENT: it is
 * shorter than `least`, the size of the first release. */
hw_status hw__sized_fill(void *to, size_t size, const void *all, size_t full, size_t least);
/* The caller's struct over the defaults in `to` (`full` bytes). Bytes beyond what is known must be zero: they are
 * fields of a later release at values that are not their defaults. what, and the function to start from: for the
 * sentence. */
hw_status hw__sized_adopt(void *to, size_t full, const void *from, size_t least, const char *what, const char *defaults,
                          char *why);

#endif
