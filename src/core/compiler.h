/** What differs between compilers, in one place. */
#ifndef WM_CORE_COMPILER_H
#define WM_CORE_COMPILER_H

/* A function compiled for the baseline and for AVX2, chosen at start-up. Not under sanitizers, whose run-time
 * is not up yet when the choice is made. */
#include <stddef.h> /* __GLIBC__ */

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(WM_SANITIZED)
#define WM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define WM_CLONES
#endif

#endif
