/** What NCCL's own log (NCCL_DEBUG=INFO, subsystems INIT, NET and GRAPH) says of the way that the bytes go. Pure. */
#ifndef WM_TRANSPORT_NCCL_LOG_H
#define WM_TRANSPORT_NCCL_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct wm_nccl_facts {
    char network[32];                       /* "IB", "Socket", "AWS Libfabric"; "" = it does not say */
    char devices[160];                      /* what follows "Using": "[0]mlx5_0:1/RoCE [1]mlx5_1:1/RoCE" */
    int by_p2p, by_shm, by_net, by_net_gdr; /* connections of this rank; by_net_gdr are among by_net */
    int channels;                           /* for collectives; 0 = it does not say */
};

/** Takes in one line, of any kind; ended by '\0' or '\n'. */
void wm_nccl_log_line(const char *line, struct wm_nccl_facts *facts);

/** The whole text of one rank. */
void wm_nccl_log_read(const char *text, struct wm_nccl_facts *facts);

/** "2 channels; NET/IB with GPUDirect RDMA on 4 of 4 connections, P2P 2": for a claim. Empty where nothing is known. */
const char *wm_nccl_log_text(const struct wm_nccl_facts *facts, char *text, size_t bytes);

#endif
