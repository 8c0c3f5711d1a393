/* NCCL 2.26: its profiler's interface is the third. */
#define WM_NCCL_VERSION  22606
#define WM_NCCL_PROFILER 3
#include "tests/preload/nccl.c"
