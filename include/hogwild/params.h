/* params.h - stands in advanced/ now; this name is for sources of 0.1. */
#ifndef HOGWILD_PARAMS_H
#define HOGWILD_PARAMS_H
#include "advanced/params.h"
#endif
