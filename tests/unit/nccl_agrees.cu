/** Are the prototypes, numbers and structs of nccl_library.h those of nccl.h? Compiled only; without nccl.h it is
 * empty. */
#if __has_include(<nccl.h>)
#include <nccl.h>

#include <cstddef>
#include <type_traits>

#include "src/transport/nccl_library.h"

/* As many arguments and results, each of the same size, pointers where there are pointers. */
template <class Ours, class Theirs> constexpr bool alike()
{
    return sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>;
}

template <class Our, class... Ours, class Their, class... Theirs>
constexpr bool agree(Our (*)(Ours...), Their (*)(Theirs...))
{
    if constexpr (sizeof...(Ours) != sizeof...(Theirs))
        return false;
    else
        return alike<Our, Their>() && (alike<Ours, Theirs>() && ...);
}

#define AGREES(name, symbol, needed, type, arguments)                                                                  \
    static_assert(agree(decltype(wm_nccl_library::name){}, decltype(&symbol){}), #symbol " differs in nccl.h");
#if NCCL_VERSION_CODE >= 22800
WM_NCCL_CALLS(AGREES)
#endif

static_assert(sizeof(wm_nccl_id) == sizeof(ncclUniqueId), "");
#define SAME(ours, theirs) static_assert((int)ours == (int)theirs, #theirs " has another number in nccl.h")
SAME(WM_NCCL_SUCCESS, ncclSuccess);
SAME(WM_NCCL_IN_PROGRESS, ncclInProgress);

#define PLACE(ours, theirs)                                                                                            \
    static_assert(offsetof(wm_nccl_config, ours) == offsetof(ncclConfig_t, theirs), #theirs " stands elsewhere")
PLACE(size, size);
PLACE(magic, magic);
PLACE(version, version);
PLACE(blocking, blocking);
PLACE(cga_cluster_size, cgaClusterSize);
PLACE(min_ctas, minCTAs);
PLACE(max_ctas, maxCTAs);
PLACE(net_name, netName);
PLACE(split_share, splitShare);
static_assert(sizeof(wm_nccl_config) <= sizeof(ncclConfig_t), "");
constexpr ncclConfig_t initial = NCCL_CONFIG_INITIALIZER;
static_assert(initial.magic == (unsigned)WM_NCCL_MAGIC && initial.blocking == INT_MIN, "");

/* What nccl_coll.c counts on. */
static_assert(ncclInt8 == 0 && ncclInt32 == 2 && ncclInt64 == 4 && ncclFloat16 == 6 && ncclFloat32 == 7 &&
                  ncclFloat64 == 8 && ncclBfloat16 == 9,
              "");
static_assert(ncclSum == 0 && ncclProd == 1 && ncclMax == 2 && ncclMin == 3, "");
#endif
