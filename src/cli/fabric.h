/** --transport, --fabric and --nic: what moves the bytes, over what, by which card. */
#ifndef WM_CLI_FABRIC_H
#define WM_CLI_FABRIC_H

#include "src/cli/command.h"
#include "src/mem/cuda.h"
#include "src/world/launch.h"
#include "src/world/world.h"

/** The options of a transport as the user filled them. */
struct wm_option_group wm_cli_group_of(const struct wm_cli_options *o, const struct wm_transport *t);

/**
 * Fills o->transport: the transports named, each with the fabrics named; for a fabric alone the first of its transports
 * that is built in and, when here is set, whose probe succeeds on this machine.
 * @return WM_OK; WM_EUSAGE: unknown, named twice, impossible by definition; WM_EABSENT; WM_ENOMEM
 */
int wm_cli_choose(struct wm_cli_options *o, bool here, struct wm_err *err);
void wm_cli_unchoose(struct wm_cli_options *o);

/**
 * Before MPI starts: are the fabrics on this machine, which transports can use them, which card is this rank's? An MPI
 * library that will move the bytes is told of the card by its own variables, unless the user set them.
 * @return WM_OK; WM_EABSENT with the host, what was looked for and what was found; WM_EUSAGE; WM_ENOMEM
 */
int wm_cli_here(struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err);

/** Collective: WM_EABSENT with the host on which --fabric chose another transport, or --provider comes to fewer, than
 * elsewhere. */
int wm_cli_same_choice(const struct wm_cli_options *o, const struct wm_world *world, struct wm_err *err);

/**
 * Collective: how the GPUs of the ranks are joined, where --fabric asks for that: enum wm_fabric at [a * ranks + b],
 * UNKNOWN between hosts and where nothing is known. @param out  to be freed; NULL: nobody asks
 */
int wm_cli_gpu_ways(const struct wm_cli_options *o, const struct wm_world *world, unsigned char **out,
                    struct wm_err *err);

/** The GPU that this rank's memory is on; false: it is on none. */
bool wm_cli_gpu(const struct wm_cli_options *o, struct wm_cuda_gpu *out);

/** Is a transport usable here for a fabric? WM_OK, or WM_EABSENT with the reason. */
int wm_cli_probe(const struct wm_cli_options *o, const char *transport, enum wm_fabric fabric, struct wm_err *err);

/* ---- src/cli/nic.c ---- */

/** WM_EUSAGE where no transport that was chosen uses a card, or auto stands among names. Asks nothing of the machine.
 */
int wm_cli_check_nics(const struct wm_cli_options *o, struct wm_err *err);

/** The card of this rank for each transport, on this machine. */
int wm_cli_choose_nics(struct wm_cli_options *o, const struct wm_launch *launch, struct wm_err *err);

/** This rank's card, "" where the user named none. */
const char *wm_cli_nic(const struct wm_cli_options *o);

#endif
