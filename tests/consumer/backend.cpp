// SPDX-License-Identifier: MIT
// A backend of somebody else's, and the suite of dcache over it.
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <dcache/cache.hpp>
#include <dcache/engine/backend.hpp>
#include <dcache/testing/backend_suite.hpp>

namespace {

using namespace dcache::engine;

struct Shelf {
  struct Kept {
    std::string value;
    WallTime expires;
  };

  std::mutex mutex;
  std::map<std::string, Kept> kept;  // Guarded by mutex.
};

class ShelfBackend final : public Backend {
 public:
  explicit ShelfBackend(std::shared_ptr<Shelf> shelf) : shelf_(std::move(shelf)) {}

  std::string name() const override { return "shelf"; }
  Capabilities capabilities() const noexcept override { return {}; }
  void check() override {}
  void close() noexcept override {}

  void submit(const Ref<Op>& op) noexcept override {
    {
      const std::lock_guard lock(shelf_->mutex);
      for (Item& item : op->items) answer(op->verb(), item);
    }
    op->complete();
  }

 private:
  void answer(Verb verb, Item& item) {
    if (verb == Verb::put) {
      shelf_->kept[item.key] = {item.value, item.expires};
      item.reply = Reply::done;
      return;
    }
    const auto found = shelf_->kept.find(item.key);
    if (found == shelf_->kept.end() || found->second.expires <= wall_now()) {
      item.reply = Reply::missing;
    } else if (verb == Verb::erase) {
      shelf_->kept.erase(found);
      item.reply = Reply::done;
    } else {
      item.value = found->second.value;
      item.reply = Reply::found;
    }
  }

  std::shared_ptr<Shelf> shelf_;
};

}  // namespace

int main() {
  const auto shelf = std::make_shared<Shelf>();
  dcache::testing::BackendRow row;
  row.make = [&] { return std::make_shared<ShelfBackend>(shelf); };
  bool holds = true;
  for (const auto& hook : dcache::testing::backend_hooks()) {
    for (const auto& check : dcache::testing::backend_checks()) {
      const std::string wrong = check.run(hook.around(row));
      if (!wrong.empty())
        std::printf("%s, %s: %s\n", check.sentence.c_str(), hook.name.c_str(), wrong.c_str());
      holds = holds && wrong.empty();
    }
    if (!holds) break;
  }
  const auto twice =
      dcache::Cache({std::make_shared<ShelfBackend>(shelf)}).memoize("twice", [](int n) {
        return 2 * n;
      });
  return holds && twice(3) == 6 && twice.stats().misses == 1 && twice(3) == 6 ? 0 : 1;
}
