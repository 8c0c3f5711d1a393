/* The management library of an older driver: required functions by their older names, NVLink states, nothing else. */
#define WM_OLD_DRIVER
#include "tests/preload/nvml.c"
