/** Are the prototypes and numbers of cuda_driver.h the toolkit's? Compiled only; nothing of it runs. */
#include <cuda.h>
#include <cudaTypedefs.h>

#include <type_traits>

#include "src/mem/cuda_driver.h"

/* As many arguments, each of the same size, pointers where there are pointers. */
template <class... Ours, class... Theirs> constexpr bool agree(int (*)(Ours...), CUresult (*)(Theirs...))
{
    if constexpr (sizeof...(Ours) != sizeof...(Theirs))
        return false;
    else
        return ((sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>)&&...);
}

#define AGREES(name, symbol, type, arguments)                                                                          \
    static_assert(agree(decltype(wm_cuda_driver::name){}, type{}), #symbol " has other arguments in the toolkit");
WM_CUDA_CALLS(AGREES)
WM_CUDA_LATER_CALLS(AGREES)

static_assert(sizeof(wm_cuda_uuid) == sizeof(CUuuid) && sizeof(unsigned long long) == sizeof(CUdeviceptr), "");
static_assert(sizeof(wm_cuda_ipc) == sizeof(CUipcMemHandle), "");

#define SAME(ours, theirs) static_assert((int)ours == (int)theirs, #theirs " has another number in the toolkit")
SAME(WM_CUDA_SUCCESS, CUDA_SUCCESS);
SAME(WM_CUDA_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME(WM_CUDA_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME(WM_CUDA_NOT_READY, CUDA_ERROR_NOT_READY);
SAME(WM_CUDA_MEM_ATTACH_GLOBAL, CU_MEM_ATTACH_GLOBAL);
SAME(WM_CUDA_MEMHOSTALLOC_PORTABLE, CU_MEMHOSTALLOC_PORTABLE);
SAME(WM_CUDA_STREAM_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
SAME(WM_CUDA_CAPTURE_THREAD_LOCAL, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME(WM_CUDA_EVENT_DEFAULT, CU_EVENT_DEFAULT);
SAME(WM_CUDA_IPC_LAZY_PEER_ACCESS, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
SAME(WM_CUDA_EVENT_DISABLE_TIMING, CU_EVENT_DISABLE_TIMING);
SAME(WM_CUDA_ADVISE_PREFERRED_LOCATION, CU_MEM_ADVISE_SET_PREFERRED_LOCATION);
SAME(WM_CUDA_ATTRIBUTE_PROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(WM_CUDA_ATTRIBUTE_MANAGED, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY);
SAME(WM_CUDA_ATTRIBUTE_CONCURRENT_MANAGED, CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS);
SAME(WM_CUDA_ATTRIBUTE_GPUDIRECT, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED);
SAME(WM_CUDA_ATTRIBUTE_FLUSH_OPTIONS, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS);
SAME(WM_CUDA_ATTRIBUTE_WRITES_ORDERING, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING);
SAME(WM_CUDA_ATTRIBUTE_DMABUF, CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED);
SAME(WM_CUDA_HANDLE_DMABUF, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD);
SAME(WM_CUDA_FLUSH_BY_HOST, CU_FLUSH_GPU_DIRECT_RDMA_WRITES_OPTION_HOST);
SAME(WM_CUDA_ORDERED_TO_OWNER, CU_GPU_DIRECT_RDMA_WRITES_ORDERING_OWNER);
SAME(WM_CUDA_FLUSH_CURRENT_CONTEXT, CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX);
SAME(WM_CUDA_FLUSH_TO_OWNER, CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER);
