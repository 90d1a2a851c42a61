/* SPDX-License-Identifier: Apache-2.0 */
/* One binary, three programs: the server, the supervisor of an instance, and the command line that
 * speaks to a server. */
#include "cli/cli.h"
#include "init/init.h"
#include "serve/serve.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "init") == 0)
        return init_main(argc, argv);
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return serve_main(argc - 1, argv + 1);
    return cli_main(argc, argv);
}
