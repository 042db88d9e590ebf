// What wasi-libc asks of a host, answered inside the module, so that a rival linked with it imports nothing and every
// run is the same: no arguments, no environment, a clock that stands still, output that fails.
#include <stddef.h>
#include <stdint.h>

#define EBADF 8
#define WASI(name) __imported_wasi_snapshot_preview1_##name

int WASI(environ_sizes_get)(size_t *count, size_t *bytes) { *count = *bytes = 0; return 0; }
int WASI(environ_get)(char **environment, char *buffer) { (void)environment; (void)buffer; return 0; }
int WASI(args_sizes_get)(size_t *count, size_t *bytes) { *count = *bytes = 0; return 0; }
int WASI(args_get)(char **arguments, char *buffer) { (void)arguments; (void)buffer; return 0; }
int WASI(clock_time_get)(int id, uint64_t precision, uint64_t *time) { (void)id; (void)precision; *time = 1; return 0; }
int WASI(clock_res_get)(int id, uint64_t *resolution) { (void)id; *resolution = 1; return 0; }
int WASI(fd_close)(int fd) { (void)fd; return EBADF; }
int WASI(fd_fdstat_get)(int fd, void *status) { (void)fd; (void)status; return EBADF; }
int WASI(fd_seek)(int fd, int64_t offset, int whence, uint64_t *to) { (void)fd; (void)offset; (void)whence; (void)to; return EBADF; }
int WASI(fd_write)(int fd, const void *vectors, size_t count, size_t *written) { (void)fd; (void)vectors; (void)count; *written = 0; return EBADF; }
int WASI(sched_yield)(void) { return 0; }
int WASI(poll_oneoff)(const void *in, void *out, size_t count, size_t *events) { (void)in; (void)out; (void)count; *events = 0; return 0; }
int WASI(random_get)(uint8_t *buffer, size_t bytes) { for (size_t i = 0; i < bytes; i++) buffer[i] = (uint8_t)(i * 151 + 7); return 0; }
_Noreturn void WASI(proc_exit)(int status) { (void)status; __builtin_trap(); }
