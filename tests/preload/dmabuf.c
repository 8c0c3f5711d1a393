/*
 * A card that takes memory of GPUs, as far as the driver of tests/preload/cuda.c has any: put before libibverbs with
 * LD_PRELOAD, with WM_CUDA_PLAIN=1. A dma-buf is registered as the host memory that stands at its address; without a
 * file the answer is a card's that looks for it.
 */
#if __has_include(<infiniband/verbs.h>)
#include <errno.h>
#include <infiniband/verbs.h>
#include <sys/stat.h>
#include <unistd.h>

struct ibv_mr *ibv_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length, uint64_t iova, int fd, int access)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct stat file;
    if (fstat(fd, &file) != 0) /* EBADF */
        return NULL;
    errno = EINVAL;
    if (offset % page != iova % page || offset + length > (uint64_t)file.st_size)
        return NULL;
    return ibv_reg_mr(pd, (void *)(uintptr_t)iova, length, access);
}
#endif
