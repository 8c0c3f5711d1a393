#include <string.h>

#include "src/mem/cuda_device.h"
#include "src/mem/mem.h"

#ifdef HAVE_CUDA
#define GPU(mem) NULL, mem
extern const unsigned char wm_cuda_code[]; /* cuda_kernels.cu by nvcc; see the Makefile */
struct wm_cuda_image wm_cuda_image = { wm_cuda_code, WM_CUDA_TOOLKIT };
#else
#define GPU(mem) "the CUDA toolkit (make CUDA_HOME=DIR)", NULL
struct wm_cuda_image wm_cuda_image;
#endif

const struct wm_mem_row wm_mems[] = {
    { "host", NULL, &wm_mem_host },      { "pinned", GPU(&wm_mem_pinned) },        { "device", GPU(&wm_mem_device) },
    { "managed", GPU(&wm_mem_managed) }, { "simulated", NULL, &wm_mem_simulated }, { NULL, NULL, NULL },
};

const struct wm_mem_row *wm_mem_find(const char *name)
{
    for (const struct wm_mem_row *row = wm_mems; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}
