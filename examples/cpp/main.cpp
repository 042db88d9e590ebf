// Every form of operator new and delete, and the containers: libc++ takes all of its memory from malloc and aligned_alloc.
#include <cstdint>
#include <cstdio>
#include <granary.h>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

struct alignas(128) Wide {
  char bytes[200];
};

static bool owned(void *p, std::size_t size) { return p != nullptr && malloc_usable_size(p) >= size; }

int main() {
  std::map<std::string, std::vector<int>> fields;
  for (int i = 0; i < 1000; i++) fields["field number " + std::to_string(i % 50)].push_back(i);
  std::printf("%zu fields, %zu rows in the first\n", fields.size(), fields.begin()->second.size());

  int *one = new int(1);
  int *many = new int[100];
  int *quiet = new (std::nothrow) int[100];
  Wide *wide = new Wide;
  Wide *wides = new Wide[3];
  Wide *quietWide = new (std::nothrow) Wide;
  bool all = owned(one, sizeof(int)) && owned(many, 400) && owned(quiet, 400) && owned(wide, sizeof(Wide)) &&
             owned(quietWide, sizeof(Wide)) && reinterpret_cast<std::uintptr_t>(wide) % 128 == 0;
  delete one;
  delete[] many;
  delete[] quiet;
  delete wide;
  delete[] wides;
  delete quietWide;
  ::operator delete(::operator new(64), std::size_t(64));
  ::operator delete(::operator new(64, std::align_val_t(64)), std::size_t(64), std::align_val_t(64));
  auto shared = std::make_shared<std::string>(1000, 'x');
  std::printf("new and delete %s granary's\n", all ? "are" : "are not");
  std::printf("the heap is %s\n", granary_verify() == 0 ? "sound" : "damaged");
  return all ? 0 : 1;
}
