/* NCCL 2.27: its profiler's interface is the fourth. */
#define WM_NCCL_VERSION  22707
#define WM_NCCL_PROFILER 4
#include "tests/preload/nccl.c"
