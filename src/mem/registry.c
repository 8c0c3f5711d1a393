#include <string.h>

#include "src/mem/mem.h"

const struct wm_mem_row wm_mems[] = {
    { "host", NULL, &wm_mem_host },
    { "simulated", NULL, &wm_mem_simulated },
    { NULL, NULL, NULL },
};

const struct wm_mem_row *wm_mem_find(const char *name)
{
    for (const struct wm_mem_row *row = wm_mems; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}
