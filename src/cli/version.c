#include "src/cli/command.h"

#include "generated/version.h"

const char *wm_version_text(void)
{
    return WM_VERSION;
}

const char *wm_version_commit(void)
{
    return WM_COMMIT;
}

const char *wm_version_components(void)
{
    return WM_COMPONENTS;
}
