/** Element types and reduction operators: names, sizes, one table each. */
#ifndef WM_CORE_DTYPE_H
#define WM_CORE_DTYPE_H

#include <stddef.h>

enum wm_dtype { WM_INT8, WM_INT32, WM_INT64, WM_FLOAT, WM_DOUBLE, WM_HALF, WM_BFLOAT16, WM_DTYPES };
enum wm_redop { WM_SUM, WM_MIN, WM_MAX, WM_PROD, WM_REDOPS };

/** Names in enum order, ended by NULL: option rows and the result use these. */
extern const char *const wm_dtype_names[WM_DTYPES + 1]; /* int8 int32 int64 float double half bfloat16 */
extern const char *const wm_redop_names[WM_REDOPS + 1]; /* sum min max prod */

size_t wm_dtype_bytes(enum wm_dtype type);

#endif
