#include "src/topo/nvml.h"

#include <stdio.h>
#include <string.h>

void wm_nvml_domain(char *text, const unsigned char uuid[16], unsigned clique)
{
    static const unsigned char zero[16];
    int at = 0;
    text[0] = '\0';
    if (memcmp(uuid, zero, sizeof(zero)) == 0)
        return;
    for (int i = 0; i < 16; i++)
        at +=
            snprintf(text + at, (size_t)(48 - at), "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    snprintf(text + at, (size_t)(48 - at), ".%u", clique);
}

void wm_nvml_add_cpu_link(double bytes_per_s, int *links, double *sum_bytes_per_s)
{
    const bool known = bytes_per_s > 0 && (*links == 0 || *sum_bytes_per_s > 0);
    *sum_bytes_per_s = known ? *sum_bytes_per_s + bytes_per_s : 0;
    (*links)++;
}
