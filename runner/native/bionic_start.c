/* The entry point of a bionic executable that is linked without the Android NDK: what crtbegin_dynamic.o does.
 *
 * Not run on a phone. The NDK is the supported way to build (see CMakeLists.txt).
 */
typedef struct {
  void (**preinit)(void);
  void (**init)(void);
  void (**fini)(void);
} Structors;

extern void __libc_init(void *arguments, void (*at_exit)(void), int (*main_function)(int, char **, char **),
                        const Structors *structors);
extern int main(int argc, char **argv);

static void (*none[])(void) = {(void (*)(void))-1, 0};

static int call_main(int argc, char **argv, char **environment) {
  (void)environment;
  return main(argc, argv);
}

__attribute__((used)) void bionic_start(void *arguments) {
  const Structors structors = {none, none, none};
  __libc_init(arguments, 0, call_main, &structors);
}

#if defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x0, sp\n b bionic_start\n");
#elif defined(__x86_64__)
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call bionic_start\n");
#elif defined(__arm__)
__asm__(".globl _start\n_start:\n mov r0, sp\n b bionic_start\n");
#elif defined(__i386__)
__asm__(".globl _start\n_start:\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call bionic_start\n");
#else
#error "no entry point for this machine"
#endif
