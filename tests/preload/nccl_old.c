/* NCCL 2.15: without the calls that came later. */
#define WM_NCCL_OLD
#include "tests/preload/nccl.c"
