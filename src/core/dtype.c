#include "src/core/dtype.h"

const char *const wm_dtype_names[WM_DTYPES + 1] = {
    [WM_INT8] = "int8",     [WM_INT32] = "int32", [WM_INT64] = "int64",       [WM_FLOAT] = "float",
    [WM_DOUBLE] = "double", [WM_HALF] = "half",   [WM_BFLOAT16] = "bfloat16",
};

const char *const wm_redop_names[WM_REDOPS + 1] = {
    [WM_SUM] = "sum",
    [WM_MIN] = "min",
    [WM_MAX] = "max",
    [WM_PROD] = "prod",
};

size_t wm_dtype_bytes(enum wm_dtype type)
{
    static const size_t bytes[WM_DTYPES] = {
        [WM_INT8] = 1,   [WM_INT32] = 4, [WM_INT64] = 8,    [WM_FLOAT] = 4,
        [WM_DOUBLE] = 8, [WM_HALF] = 2,  [WM_BFLOAT16] = 2,
    };
    return bytes[type];
}
