// Makes strings for whoever asks. malloc comes from the host, like the memory.
void *malloc(unsigned long size);

static unsigned long length(const char *text) {
  unsigned long count = 0;
  while (text[count]) count++;
  return count;
}

__attribute__((export_name("greet"))) char *greet(const char *name) {
  unsigned long size = length(name);
  char *greeting = malloc(size + 8);
  char *out = greeting;
  for (const char *in = "hello, "; *in; in++) *out++ = *in;
  for (unsigned long i = 0; i <= size; i++) *out++ = name[i];
  return greeting;
}
