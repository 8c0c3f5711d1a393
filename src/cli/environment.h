/** The head of a result: who measured, where, with what. */
#ifndef WM_CLI_ENVIRONMENT_H
#define WM_CLI_ENVIRONMENT_H

#include <jansson.h>

#include "bench/conf.h"
#include "src/cli/survey.h"
#include "src/core/clock.h"
#include "src/world/world.h"

/** New reference, or NULL: no memory. Variables named TOKEN, KEY, SECRET, JWT or PASS are never taken. */
json_t *wm_environment_head(int argc, char **argv, const struct wm_run_conf *conf, const struct wm_world *world,
                            struct wm_clock clock, const struct wm_survey *survey);

#endif
