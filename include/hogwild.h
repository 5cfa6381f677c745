/* hogwild.h - the one header of libhogwild: asynchronous (HOGWILD!) training on all cores of one machine.
 *
 * It includes what everybody uses, from the bottom up; every header also compiles alone, in C11 and C++. What stands in
 * hogwild/advanced/ (shared parameters by themselves, sweeps, what is in a state) is for people who go further, and may
 * change from one minor version to the next; it is included here for sources of 0.1, unless HOGWILD_STABLE is defined.
 * How structs grow without breaking callers: docs/abi.md. */
#ifndef HOGWILD_H
#define HOGWILD_H

#include "hogwild/base.h"
#include "hogwild/modes.h"
#include "hogwild/staleness.h"
#include "hogwild/optimizer.h"
#include "hogwild/objective.h"
#include "hogwild/simulation.h"
#include "hogwild/checkpoint.h"
#include "hogwild/engine.h"
#include "hogwild/handles.h"
#include "hogwild/data.h"
#include "hogwild/tables.h"
#include "hogwild/net.h"
#include "hogwild/model.h"
#include "hogwild/model_files.h"
#include "hogwild/report.h"
#ifndef HOGWILD_STABLE
#include "hogwild/advanced/params.h"
#include "hogwild/advanced/peers.h"
#include "hogwild/advanced/state.h"
#include "hogwild/advanced/sweep.h"
#endif

#endif
