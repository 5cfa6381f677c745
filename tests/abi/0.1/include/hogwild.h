/* hogwild.h - the one header of libhogwild: asynchronous (HOGWILD!) training on all cores of one machine.
 * It only includes the rooms, from the bottom up; every room's header also compiles alone, in C11 and C++. */
#ifndef HOGWILD_H
#define HOGWILD_H

#include "hogwild/base.h"
#include "hogwild/state.h"
#include "hogwild/params.h"
#include "hogwild/staleness.h"
#include "hogwild/optimizer.h"
#include "hogwild/objective.h"
#include "hogwild/checkpoint.h"
#include "hogwild/engine.h"
#include "hogwild/data.h"
#include "hogwild/tables.h"
#include "hogwild/net.h"
#include "hogwild/model.h"
#include "hogwild/report.h"
#include "hogwild/simulation.h"

#endif
