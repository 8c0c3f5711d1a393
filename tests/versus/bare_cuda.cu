// Bare loops over cudaMemcpyAsync, to hold copy-* against: page-locked memory to the GPU, back, and within the GPU, as
// a user would write them. Prints "NAME BYTES_PER_SECOND" a line: bytes of one copy by the time of a window of them,
// the median of all windows within a second.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime.h>

static void must(cudaError_t status, const char *what)
{
    if (status == cudaSuccess)
        return;
    std::fprintf(stderr, "bare_cuda: %s: %s\n", what, cudaGetErrorString(status));
    std::exit(status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver ? 77 : 1);
}

static double now_s()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of one window, host end to end.
static double window_s(void *to, const void *from, size_t bytes, int window, cudaStream_t stream)
{
    const double start = now_s();
    for (int w = 0; w < window; w++)
        must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
    must(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    return now_s() - start;
}

static void measure(const char *name, void *to, const void *from, size_t bytes, int window, cudaStream_t stream)
{
    std::vector<double> times;
    const double end = now_s() + 1;
    for (int i = 0; i < 3; i++)
        window_s(to, from, bytes, window, stream);
    while (times.size() < 12 || now_s() < end)
        times.push_back(window_s(to, from, bytes, window, stream));
    std::sort(times.begin(), times.end());
    std::printf("%s %.6g\n", name, static_cast<double>(bytes) * window / times[times.size() / 2]);
}

// usage: bare_cuda BYTES WINDOW
int main(int argc, char **argv)
{
    const size_t bytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 64 << 20;
    const int window = argc > 2 ? std::atoi(argv[2]) : 16;
    void *host, *gpu, *other;
    cudaStream_t stream;
    if (bytes == 0 || window < 1) {
        std::fprintf(stderr, "usage: bare_cuda BYTES WINDOW\n");
        return 2;
    }
    must(cudaSetDevice(0), "cudaSetDevice");
    must(cudaHostAlloc(&host, bytes, cudaHostAllocPortable), "cudaHostAlloc");
    must(cudaMalloc(&gpu, bytes), "cudaMalloc");
    must(cudaMalloc(&other, bytes), "cudaMalloc");
    must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    std::fill(static_cast<char *>(host), static_cast<char *>(host) + bytes, 1);
    measure("copy-h2d", gpu, host, bytes, window, stream);
    measure("copy-d2h", host, gpu, bytes, window, stream);
    measure("copy-local", other, gpu, bytes, window, stream);
    return 0;
}
