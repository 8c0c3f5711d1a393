/* fi_pingpong's loop (rdm endpoint, tagged), with each round trip timed: its receive is posted before the message can
 * come, what fits is injected, completions are read one by one, transmit and receive have queues of their own.
 * usage: bare_ofi PROVIDER BYTES    on 2 ranks; prints the median and the mean of nanoseconds a message */
#include <mpi.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_tagged.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 200000, NAME = 256, TAG = 0xCAFE };
static const double WARM_S = 0.1, RUN_S = 0.7;
static int rank;
static size_t bytes;
static char *in, *out;
static struct fi_info *info;
static struct fid_fabric *fabric;
static struct fid_domain *domain;
static struct fid_av *av;
static struct fid_cq *sent, *received;
static struct fid_ep *ep;
static struct fid_mr *mr;
static struct fi_context2 context[2];
static fi_addr_t peer;

static void need(const char *call, ssize_t rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bare_ofi: %s: %s\n", call, fi_strerror((int)-rc));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static void open_endpoint(const char *provider)
{
    struct fi_info *hints = fi_allocinfo();
    struct fi_cq_attr cq = { .format = FI_CQ_FORMAT_CONTEXT, .wait_obj = FI_WAIT_NONE };
    struct fi_av_attr table = { .type = FI_AV_UNSPEC, .count = 2 };

    hints->ep_attr->type = FI_EP_RDM;
    hints->caps = FI_TAGGED;
    hints->mode = FI_CONTEXT | FI_CONTEXT2;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    hints->fabric_attr->prov_name = strdup(provider);
    need("fi_getinfo", fi_getinfo(FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION), NULL, NULL, 0, hints, &info));
    need("fi_fabric", fi_fabric(info->fabric_attr, &fabric, NULL));
    need("fi_domain", fi_domain(fabric, info, &domain, NULL));
    need("fi_av_open", fi_av_open(domain, &table, &av, NULL));
    cq.size = info->tx_attr->size;
    need("fi_cq_open", fi_cq_open(domain, &cq, &sent, NULL));
    cq.size = info->rx_attr->size;
    need("fi_cq_open", fi_cq_open(domain, &cq, &received, NULL));
    need("fi_endpoint", fi_endpoint(domain, info, &ep, NULL));
    need("fi_ep_bind", fi_ep_bind(ep, &av->fid, 0));
    need("fi_ep_bind", fi_ep_bind(ep, &sent->fid, FI_TRANSMIT));
    need("fi_ep_bind", fi_ep_bind(ep, &received->fid, FI_RECV));
    need("fi_enable", fi_enable(ep));
    if (info->domain_attr->mr_mode & FI_MR_LOCAL)
        need("fi_mr_reg", fi_mr_reg(domain, in, 2 * bytes, FI_SEND | FI_RECV, 0, 1, 0, &mr, NULL));
}

static void meet(void)
{
    char name[2][NAME] = { { 0 } };
    size_t length = NAME;

    need("fi_getname", fi_getname(&ep->fid, name[rank], &length));
    MPI_Sendrecv(name[rank], NAME, MPI_BYTE, 1 - rank, 0, name[1 - rank], NAME, MPI_BYTE, 1 - rank, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    need("fi_av_insert", fi_av_insert(av, name[1 - rank], 1, &peer, 0, NULL) == 1 ? 0 : -FI_EADDRNOTAVAIL);
}

static void await(struct fid_cq *cq)
{
    struct fi_cq_err_entry entry;
    ssize_t rc;

    while ((rc = fi_cq_read(cq, &entry, 1)) == -FI_EAGAIN)
        ;
    need("fi_cq_read", rc);
}

static void post_receive(void)
{
    ssize_t rc;

    while ((rc = fi_trecv(ep, out, bytes, mr ? fi_mr_desc(mr) : NULL, 0, TAG, 0, &context[1])) == -FI_EAGAIN)
        fi_cq_read(received, NULL, 0);
    need("fi_trecv", rc);
}

static void transmit(void)
{
    const int injects = bytes < info->tx_attr->inject_size;
    ssize_t rc;

    do {
        rc = injects ? fi_tinject(ep, in, bytes, peer, TAG)
                     : fi_tsend(ep, in, bytes, mr ? fi_mr_desc(mr) : NULL, peer, TAG, &context[0]);
        if (rc == -FI_EAGAIN)
            fi_cq_read(sent, NULL, 0);
    } while (rc == -FI_EAGAIN);
    need("fi_tsend", rc);
    if (!injects)
        await(sent);
}

static void receive(void)
{
    await(received);
    post_receive();
}

/* Rank 0 drives and says with the last message's first byte that it was the last. */
static int pingpong(double seconds, double *each)
{
    double begin = MPI_Wtime(), before = begin, now = begin;
    int n = 0;

    for (in[0] = 1; in[0] != 0; n++) {
        if (rank == 0) {
            in[0] = n + 1 < LONGEST && now - begin < seconds;
            transmit();
            receive();
            now = MPI_Wtime();
            each[n] = (now - before) * 1e9 / 2;
            before = now;
        } else {
            receive();
            in[0] = out[0];
            transmit();
        }
    }
    return n;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double each[LONGEST];
    double sum = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    bytes = argc == 3 ? (size_t)atoi(argv[2]) : 8;
    if (argc != 3 || bytes == 0 || posix_memalign((void **)&in, 4096, 2 * bytes))
        return 1;
    memset(in, 1, 2 * bytes);
    out = in + bytes;
    open_endpoint(argv[1]);
    meet();
    post_receive();
    MPI_Barrier(MPI_COMM_WORLD);
    pingpong(WARM_S, each);
    int n = pingpong(RUN_S, each);
    qsort(each, (size_t)n, sizeof(*each), ascending);
    for (int i = 0; i < n; i++)
        sum += each[i];
    if (rank == 0)
        printf("%.1f %.1f\n", each[n / 2], sum / n);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
