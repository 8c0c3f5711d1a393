/* The memory of a topology, and of the files that it is read from. */
#include "src/topo/topo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/topo/discover.h"

enum { XML_BYTES = 64 << 20 };

/* --- memory --- */

bool wm_topo_grow(void *array_pointer, int count, size_t element_bytes)
{
    char *array;
    memcpy(&array, array_pointer, sizeof(array));
    if ((count & (count - 1)) == 0) { /* 0, or a power of two: full */
        char *larger = realloc(array, (count > 0 ? 2 * (size_t)count : 1) * element_bytes);
        if (larger == NULL)
            return false;
        memcpy(array_pointer, &larger, sizeof(larger));
        array = larger;
    }
    memset(array + (size_t)count * element_bytes, 0, element_bytes);
    return true;
}

void wm_topo_free(struct wm_topo *topo)
{
    for (int i = 0; i < topo->n_rdma; i++) {
        for (int p = 0; p < topo->rdma[i].n_ports; p++)
            free(topo->rdma[i].port[p].gid);
        free(topo->rdma[i].port);
    }
    free(topo->numa);
    free(topo->core);
    free(topo->pci);
    free(topo->gpu);
    free(topo->nvlink);
    free(topo->rdma);
    free(topo->netif);
    free(topo->note);
    *topo = (struct wm_topo){ 0 };
}

/* --- files of XML --- */

static int read_whole(const char *path, FILE *file, char **text, size_t *bytes, struct wm_err *err)
{
    struct stat status;
    if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode))
        return wm_fail(err, WM_EUSAGE, "", 0, "%s is a folder; a topology file is needed", path);
    *text = malloc(XML_BYTES + 1); /* only what is read becomes memory */
    if (*text == NULL)
        return wm_fail(err, WM_ENOMEM, "malloc", 0, "topology file %s", path);
    *bytes = fread(*text, 1, XML_BYTES + 1, file);
    if (ferror(file))
        return wm_fail_errno(err, "fread", "read topology file %s", path);
    if (*bytes > XML_BYTES)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s is larger than %d MiB: no topology file", path, XML_BYTES >> 20);
    (*text)[*bytes] = '\0';
    if (memchr(*text, '\0', *bytes) != NULL)
        return wm_fail(err, WM_EUSAGE, "", 0, "%s holds zero bytes: no XML in UTF-8", path);
    return WM_OK;
}

int wm_topo_load_file(const char *path, char **text, size_t *bytes, struct wm_err *err)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe would wait for ever */
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL)
        return wm_fail(err, WM_EABSENT, "fopen", errno, "no topology file %s: %s", path, strerror(errno));
    int rc = read_whole(path, file, text, bytes, err);
    fclose(file);
    if (rc != WM_OK) {
        free(*text);
        *text = NULL;
    }
    return rc;
}
