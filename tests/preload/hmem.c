/*
 * A provider of libfabric that takes memory of GPUs, as far as the driver of tests/preload/cuda.c has any: put before
 * libfabric with LD_PRELOAD, with WM_CUDA_PLAIN=1, so that the provider below finds the bytes. It says FI_HMEM of every
 * provider, takes registrations of CUDA memory as the host's, and promises whatever it is asked to, but for
 * WM_HMEM_REFUSES=setopt or =regattr.
 */
#if __has_include(<rdma/fi_endpoint.h>)
#include <dlfcn.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static bool refuses(const char *what)
{
    const char *text = getenv("WM_HMEM_REFUSES");
    return text != NULL && strcmp(text, what) == 0;
}

/* What the provider below may see of an info. */
static struct fi_info *without(const struct fi_info *info)
{
    struct fi_info *(*dup)(const struct fi_info *) = (struct fi_info * (*)(const struct fi_info *)) real("fi_dupinfo");
    struct fi_info *plain = info != NULL ? dup(info) : NULL;
    if (plain != NULL) {
        plain->caps &= ~FI_HMEM;
        if (plain->domain_attr != NULL) /* libfabric asks itself, too */
            plain->domain_attr->mr_mode &= ~FI_MR_HMEM;
    }
    return plain;
}

static void release(struct fi_info *info)
{
    void (*release_info)(struct fi_info *) = (void (*)(struct fi_info *))real("fi_freeinfo");
    release_info(info);
}

int fi_getinfo(uint32_t version, const char *node, const char *service, uint64_t flags, const struct fi_info *hints,
               struct fi_info **info)
{
    int (*get)(uint32_t, const char *, const char *, uint64_t, const struct fi_info *, struct fi_info **) = (int (*)(
        uint32_t, const char *, const char *, uint64_t, const struct fi_info *, struct fi_info **))real("fi_getinfo");
    struct fi_info *plain = without(hints);
    int rc = get(version, node, service, flags, plain, info);
    for (struct fi_info *i = rc == 0 && hints != NULL && (hints->caps & FI_HMEM) ? *info : NULL; i != NULL;
         i = i->next) {
        i->caps |= FI_HMEM;
        i->domain_attr->mr_mode |= FI_MR_HMEM;
    }
    if (plain != NULL)
        release(plain);
    return rc;
}

/* ---- Objects with other ops: one of each a process ---- */

static struct fi_ops_ep ep_ops;
static int set_option(struct fid *ep, int level, int name, const void *value, size_t bytes)
{
    (void)ep, (void)value;
    if (level == FI_OPT_ENDPOINT && name == FI_OPT_FI_HMEM_P2P && bytes == sizeof(int))
        return refuses("setopt") ? -FI_EOPNOTSUPP : 0;
    return -FI_ENOPROTOOPT;
}

static struct fi_ops_domain domain_ops, *real_domain_ops;
static int open_endpoint(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ep, void *context)
{
    struct fi_info *plain = without(info);
    int rc = real_domain_ops->endpoint(domain, plain, ep, context);
    release(plain);
    if (rc == 0) {
        ep_ops = *(*ep)->ops;
        ep_ops.setopt = set_option;
        (*ep)->ops = &ep_ops;
    }
    return rc;
}

static struct fi_ops_mr mr_ops, *real_mr_ops;
static int register_memory(struct fid *domain, const struct fi_mr_attr *attr, uint64_t flags, struct fid_mr **mr)
{
    struct fi_mr_attr plain = *attr;
    if (attr->iface == FI_HMEM_CUDA && (refuses("regattr") || attr->device.cuda != 10))
        return -FI_EFAULT;
    plain.iface = FI_HMEM_SYSTEM;
    return real_mr_ops->regattr(domain, &plain, flags, mr);
}

static struct fi_ops_fabric fabric_ops, *real_fabric_ops;
static int open_domain(struct fid_fabric *fabric, struct fi_info *info, struct fid_domain **domain, void *context)
{
    struct fi_info *plain = without(info);
    int rc = real_fabric_ops->domain(fabric, plain, domain, context);
    release(plain);
    if (rc != 0 || !(info->caps & FI_HMEM))
        return rc;
    real_domain_ops = (*domain)->ops;
    domain_ops = *real_domain_ops;
    domain_ops.endpoint = open_endpoint;
    (*domain)->ops = &domain_ops;
    real_mr_ops = (*domain)->mr;
    mr_ops = *real_mr_ops;
    mr_ops.regattr = register_memory;
    (*domain)->mr = &mr_ops;
    return 0;
}

int fi_fabric(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context)
{
    int (*open)(struct fi_fabric_attr *, struct fid_fabric **, void *) =
        (int (*)(struct fi_fabric_attr *, struct fid_fabric **, void *))real("fi_fabric");
    int rc = open(attr, fabric, context);
    if (rc == 0 && (*fabric)->ops->domain != open_domain) {
        real_fabric_ops = (*fabric)->ops;
        fabric_ops = *real_fabric_ops;
        fabric_ops.domain = open_domain;
        (*fabric)->ops = &fabric_ops;
    }
    return rc;
}
#endif
