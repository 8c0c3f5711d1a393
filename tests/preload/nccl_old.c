/* NCCL 2.15: without the calls that came later. */
#define WM_NCCL_OLD
#define WM_NCCL_VERSION  21506
#define WM_NCCL_PROFILER 0
#include "tests/preload/nccl.c"
