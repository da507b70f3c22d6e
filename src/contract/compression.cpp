// SPDX-License-Identifier: MIT
#include "contract/compression.hpp"

#include <memory>
#include <new>
#include <vector>

#include <zstd.h>

#include "dcache/engine/lock.hpp"

namespace dcache::engine {
namespace {

// 271 us for 64 KB where the default level takes 340, for a fifteenth more bytes.
constexpr int level = 1;

// Making a context costs as much as compressing 4 KB with it; each holds 0.3 MB.
template <class Context, Context* (*make)(), std::size_t (*destroy)(Context*)>
class Pool {
 public:
  class Lease {
   public:
    Lease() : context_(pool().take()) {}
    ~Lease() { pool().give_back(context_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Context* get() const noexcept { return context_; }

   private:
    Context* context_;
  };

 private:
  static constexpr std::size_t kept_max = 4;

  // Never destroyed.
  static Pool& pool() {
    static auto* const pool = new Pool;
    return *pool;
  }
  Context* take() {
    Context* context = nullptr;
    enter();
    if (!free_.empty()) {
      context = free_.back();
      free_.pop_back();
    }
    lock_.unlock();
    if (context == nullptr) context = make();
    if (context == nullptr) throw std::bad_alloc();
    return context;
  }
  void give_back(Context* context) noexcept {
    enter();
    const bool kept = free_.size() < kept_max;
    if (kept) free_.push_back(context);  // There is room: nothing is allocated under the lock.
    lock_.unlock();
    if (!kept) destroy(context);
  }
  // What a fork caught in the middle of a change is let go of.
  void enter() noexcept {
    if (lock_.lock()) free_.clear();
  }
  Pool() { free_.reserve(kept_max); }

  Lock lock_;
  std::vector<Context*> free_;
};

using Compressor = Pool<ZSTD_CCtx, &ZSTD_createCCtx, &ZSTD_freeCCtx>::Lease;
using Decompressor = Pool<ZSTD_DCtx, &ZSTD_createDCtx, &ZSTD_freeDCtx>::Lease;

}  // namespace

bool append_compressed(std::string& out, std::string_view bytes) {
  const std::size_t begin = out.size();
  out.resize(begin + ZSTD_compressBound(bytes.size()));
  const Compressor compressor;
  const std::size_t size = ZSTD_compressCCtx(compressor.get(), out.data() + begin,
                                             out.size() - begin, bytes.data(), bytes.size(), level);
  const bool saves = ZSTD_isError(size) == 0 && size <= bytes.size() - bytes.size() / 10;
  out.resize(saves ? begin + size : begin);
  return saves;
}

bool decompress(std::string& out, std::string_view bytes, std::size_t size) {
  if (ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != size) return false;
  out.resize(size);
  const Decompressor decompressor;
  return ZSTD_decompressDCtx(decompressor.get(), out.data(), out.size(), bytes.data(),
                             bytes.size()) == size;
}

}  // namespace dcache::engine
