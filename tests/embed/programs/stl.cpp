// The C++ containers: map, unordered_map, set, list, deque, vector, string, shared_ptr, function.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

static unsigned seed = 42;
static unsigned random_below(unsigned n) {
  seed = seed * 1664525 + 1013904223;
  return (seed >> 8) % n;
}

struct Node {
  std::string name;
  std::vector<std::shared_ptr<Node>> children;
};

static std::shared_ptr<Node> tree(int depth) {
  auto node = std::make_shared<Node>();
  node->name = "node at depth " + std::to_string(depth) + " number " + std::to_string(random_below(100000));
  for (int i = 0; depth > 0 && i < 4; i++) node->children.push_back(tree(depth - 1));
  return node;
}

static size_t letters(const Node &node) {
  size_t sum = node.name.size();
  for (auto &child : node.children) sum += letters(*child);
  return sum;
}

int main() {
  std::unordered_map<std::string, int> counts;
  for (int i = 0; i < 200000; i++) counts["the word number " + std::to_string(random_below(20000))]++;
  std::map<int, std::set<std::string>> byCount;
  for (auto &[word, count] : counts) byCount[count].insert(word);
  std::printf("%zu words, %d times %s\n", counts.size(), byCount.rbegin()->first, byCount.rbegin()->second.begin()->c_str());

  std::list<std::vector<int>> lists;
  for (int i = 0; i < 3000; i++) {
    std::vector<int> numbers;
    for (unsigned j = random_below(400); j > 0; j--) numbers.push_back(random_below(1000));
    lists.push_back(numbers);
    if (lists.size() > 500) lists.erase(std::next(lists.begin(), random_below(500)));
  }
  long sum = 0;
  for (auto &numbers : lists) for (int number : numbers) sum += number;
  std::printf("%zu lists, sum %ld\n", lists.size(), sum);

  std::deque<std::function<int()>> queue;
  long total = 0;
  for (int i = 0; i < 100000; i++) {
    queue.push_back([i, text = std::to_string(i) + " is the number of a task"] { return int(text.size()) + i % 7; });
    if (queue.size() > 1000) { total += queue.front()(); queue.pop_front(); }
  }
  std::printf("%ld from the queue\n", total);

  size_t all = 0;
  for (int i = 0; i < 5; i++) all += letters(*tree(7));
  std::printf("%zu letters in the trees\n", all);

  std::vector<std::string> lines;
  for (int i = 0; i < 50000; i++) lines.push_back(std::string(random_below(200), 'a' + i % 26));
  std::sort(lines.begin(), lines.end());
  std::printf("%zu %zu %s\n", lines.size(), lines[25000].size(), lines[49999].substr(0, 5).c_str());
}
