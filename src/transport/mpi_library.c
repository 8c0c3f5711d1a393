/** What the MPI library says of itself and of its calls that failed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/transport/mpi_ep.h"

/* "Open MPI 4.1.4", "MPICH 4.0.2" from "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\n..." */
const char *wm_mpi_version(char *text, size_t bytes)
{
    char all[MPI_MAX_LIBRARY_VERSION_STRING] = "", name[64] = "";
    int n = 0;

    MPI_Get_library_version(all, &n);
    size_t name_end = strcspn(all, "0123456789"), number_end = name_end + strspn(all + name_end, "0123456789.abrc");
    for (const char *word = all; word < all + name_end; word += strcspn(word, " \t")) {
        word += strspn(word, " \t");
        size_t length = strcspn(word, " \t");
        if (word + length < all + name_end && strncmp(word, "Version:", 8) != 0)
            snprintf(name + strlen(name), sizeof(name) - strlen(name), "%.*s ", (int)length, word);
    }
    snprintf(text, bytes, "%s%.*s", name, (int)(number_end - name_end), all + name_end);
    return text;
}

int wm_mpi_fail(struct wm_err *err, enum wm_code code, int rc, const char *call, const char *format, ...)
{
    char what[sizeof(err->what)], text[MPI_MAX_ERROR_STRING] = "";
    int class = rc, n = 0;
    bool first = err->code == WM_OK;
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    MPI_Error_class(rc, &class);
    MPI_Error_string(rc, text, &n);
    text[strcspn(text, "\n")] = '\0';
    char *stack = strstr(text, ", error stack"); /* MPICH: its lines would follow */
    if (stack != NULL)
        *stack = '\0';
    wm_fail(err, code, call, class, "%s", what);
    if (first)
        snprintf(err->native_text, sizeof(err->native_text), "%.*s", (int)sizeof(err->native_text) - 1, text);
    return code;
}
