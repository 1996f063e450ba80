#include "runtime/cpu/backend.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/core/error.h"
#include "runtime/cpu/aligned_memory.h"
#include "runtime/cpu/cpu_registry.h"
#include "runtime/cpu/few_rows.h"

namespace vulcap::cpu {
namespace {

core::Error internal(const std::string& what) {
  return core::Error(core::ErrorCode::kRuntime, "cpu: " + what + " (a fault of the plan, please report it)");
}

class CpuBuffer : public plan::Buffer {
 public:
  // Row-major bytes; null for a packed matrix.
  virtual std::byte* data() const = 0;
  virtual const PackedMatrix* packed() const { return nullptr; }
};

class OwnedBuffer : public CpuBuffer {
 public:
  // Never null, so that kernels may form pointers into an empty operand.
  explicit OwnedBuffer(size_t bytes) : memory_(std::max<size_t>(bytes, 1)), size_(bytes) {}
  size_t size() const override { return size_; }
  std::byte* data() const override { return memory_.data(); }
  void write(size_t offset, std::span<const std::byte> bytes) override {
    check(offset, bytes.size());
    if (!bytes.empty()) std::memcpy(data() + offset, bytes.data(), bytes.size());
  }
  void read(size_t offset, std::span<std::byte> bytes) override {
    check(offset, bytes.size());
    if (!bytes.empty()) std::memcpy(bytes.data(), data() + offset, bytes.size());
  }

 private:
  void check(size_t offset, size_t count) const {
    if (offset > size() || count > size() - offset) throw internal("access beyond the end of a buffer");
  }

  AlignedMemory memory_;
  size_t size_;
};

// A constant read where it lies: in the mapped file or in the tensor's own memory.
class TensorBuffer : public CpuBuffer {
 public:
  TensorBuffer(core::Tensor tensor, std::span<const std::byte> bytes)
      : tensor_(std::move(tensor)), bytes_(bytes) {}
  size_t size() const override { return bytes_.size(); }
  std::byte* data() const override { return const_cast<std::byte*>(bytes_.data()); }
  void write(size_t, std::span<const std::byte>) override { throw internal("write to a constant"); }
  void read(size_t offset, std::span<std::byte> bytes) override {
    if (offset > size() || bytes.size() > size() - offset)
      throw internal("read beyond the end of a constant");
    if (!bytes.empty()) std::memcpy(bytes.data(), bytes_.data() + offset, bytes.size());
  }

 private:
  core::Tensor tensor_;
  std::span<const std::byte> bytes_;
};

// The matrix of a float product. Packing pays when many rows multiply it again and again; a weight that
// decode steps read, or that is used once, is read where it lies: no copy at load, no second place in memory.
class MatrixBuffer : public TensorBuffer {
 public:
  MatrixBuffer(const plan::WeightRequest& request, std::span<const std::byte> bytes)
      : TensorBuffer(*request.tensor, bytes), tensor_(*request.tensor), request_(request) {}

  // For a product of `rows` rows that is about to run; null: it reads data().
  const PackedMatrix* packed_for(size_t rows, core::ThreadPool& pool) {
    constexpr int kFewRowUses = 64;
    if (matrix_) return matrix_.get();
    few_rows_ = few_rows_ || rows <= kFewRows;
    if (++uses_ > (few_rows_ ? kFewRowUses : 1)) {
      request_.tensor = &tensor_;
      matrix_ = pack_matrix(request_, pool);
    }
    return matrix_.get();
  }

 private:
  core::Tensor tensor_;
  plan::WeightRequest request_;
  bool few_rows_ = false;
  int uses_ = 0;
  std::unique_ptr<PackedMatrix> matrix_;
};

class PackedBuffer : public CpuBuffer {
 public:
  explicit PackedBuffer(std::unique_ptr<PackedMatrix> matrix) : matrix_(std::move(matrix)) {}
  size_t size() const override { return matrix_->memory.size(); }
  std::byte* data() const override { return nullptr; }
  const PackedMatrix* packed() const override { return matrix_.get(); }
  void write(size_t, std::span<const std::byte>) override { throw internal("write to a packed weight"); }
  void read(size_t, std::span<std::byte>) override { throw internal("read of a packed weight"); }

 private:
  std::unique_ptr<PackedMatrix> matrix_;
};

// What all executables of a back end share; `running` guards the pool and the scratch.
struct Shared {
  explicit Shared(int threads) : pool(threads) {}
  void reserve(size_t bytes) {
    if (bytes > scratch.size()) scratch = AlignedMemory(bytes);
  }

  std::mutex running;
  core::ThreadPool pool;
  AlignedMemory scratch;
};

size_t scratch_of(const CpuKernel* fast, const ops::KernelCall& call, const core::ThreadPool& pool) {
  return fast != nullptr && fast->scratch_bytes != nullptr ? fast->scratch_bytes(call, size_t(pool.size()))
                                                           : 0;
}

struct Prepared {
  const CpuKernel* fast = nullptr;
  ops::ReferenceFn reference = nullptr;
  const ops::KernelCall* call = nullptr;
  size_t first_pointer = 0;
  const PackedMatrix* packed = nullptr;
  MatrixBuffer* matrix = nullptr;
  const uint32_t* state = nullptr;
};

class CpuExecutable : public plan::Executable {
 public:
  CpuExecutable(plan::BuildRequest request, std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)),
        request_(std::move(request)),
        calls_(request_.calls.begin(), request_.calls.end()) {
    request_.calls = {};
    request_.on_host = {};
    size_t scratch = 0;
    for (const auto& call : calls_) {
      prepare(call);
      scratch = std::max(scratch, scratch_of(prepared_.back().fast, call, shared_->pool));
    }
    std::lock_guard lock(shared_->running);
    shared_->reserve(scratch);
  }

  void run() override {
    std::lock_guard lock(shared_->running);
    for (const Prepared& item : prepared_) run_one(item);
  }

  std::vector<plan::Timing> run_timed() override {
    using Clock = std::chrono::steady_clock;
    std::lock_guard lock(shared_->running);
    std::vector<plan::Timing> timings;
    for (const Prepared& item : prepared_) {
      const auto begin = Clock::now();
      run_one(item);
      timings.push_back(
          {int32_t(timings.size()), std::chrono::duration<double>(Clock::now() - begin).count()});
    }
    return timings;
  }

 private:
  void run_one(const Prepared& item) const {
    const std::span<std::byte* const> buffers(pointers_.data() + item.first_pointer,
                                              item.call->bindings.size());
    const ops::KernelArgs args{*item.call, buffers, item.state};
    if (item.fast != nullptr) {
      const PackedMatrix* packed = item.packed;
      if (item.matrix != nullptr)
        packed = item.matrix->packed_for(item.call->params_as<abi::MatmulParams>().m, shared_->pool);
      item.fast->run({args, shared_->pool, shared_->scratch.data(), packed});
    } else {
      item.reference(args);
    }
  }

  const CpuBuffer& buffer_of(const ops::Binding& binding) const {
    const plan::Buffer* buffer = nullptr;
    switch (binding.kind) {
      case ops::BufferKind::kArena:
        buffer = request_.arena.get();
        break;
      case ops::BufferKind::kState:
        buffer = request_.state.get();
        break;
      case ops::BufferKind::kConstant:
        if (binding.index < request_.constants.size()) buffer = request_.constants[binding.index].get();
        break;
      case ops::BufferKind::kExternal:
        if (binding.index < request_.external.size()) buffer = request_.external[binding.index].get();
        break;
    }
    const auto* host = dynamic_cast<const CpuBuffer*>(buffer);
    if (host == nullptr) throw internal("a binding names no buffer of this back end");
    return *host;
  }

  void prepare(const ops::KernelCall& call) {
    if (call.kernel >= ops::kernels().size()) throw internal("unknown kernel");
    Prepared item{cpu_kernels().find(call),
                  ops::kernels()[call.kernel].reference,
                  &call,
                  pointers_.size(),
                  nullptr,
                  nullptr,
                  nullptr};
    for (const auto& binding : call.bindings) pointers_.push_back(resolve(call, binding, item));
    if (call.uses_state) item.state = reinterpret_cast<const uint32_t*>(pointers_.back());
    prepared_.push_back(item);
  }

  std::byte* resolve(const ops::KernelCall& call, const ops::Binding& binding, Prepared& item) const {
    const CpuBuffer& buffer = buffer_of(binding);
    if (const PackedMatrix* packed = buffer.packed()) {
      // An absent operand of a call is bound to another one and never read.
      if (&binding == &call.bindings[1]) item.packed = check_packed(call, binding, *packed);
      return nullptr;
    }
    auto* matrix = dynamic_cast<const MatrixBuffer*>(&buffer);
    if (matrix != nullptr && &binding == &call.bindings[1] && multiplies(call)) {
      check_matrix(call, *matrix);
      item.matrix = const_cast<MatrixBuffer*>(matrix);
    }
    if (binding.offset > buffer.size() || binding.size > buffer.size() - binding.offset) {
      throw internal(std::string(ops::kernels()[call.kernel].name) + " is bound beyond the end of a buffer");
    }
    return buffer.data() + binding.offset;
  }

  // A product of floats whose B is one matrix for the whole batch.
  static bool multiplies(const ops::KernelCall& call) {
    if (ops::kernels()[call.kernel].name != "matmul") return false;
    const auto& p = call.params_as<abi::MatmulParams>();
    return p.batch <= 1 || p.b_batch == 0;
  }

  static void check_matrix(const ops::KernelCall& call, const MatrixBuffer& matrix) {
    const auto& p = call.params_as<abi::MatmulParams>();
    if (matrix.size() != core::dtype_bytes(call.variant.second, size_t(p.k) * p.n))
      throw internal("a weight is bound with another shape or dtype");
  }

  struct PackedUse {
    size_t k, n;
    bool shared, transposed;
  };

  static PackedUse packed_use(const ops::KernelCall& call, const PackedMatrix& packed) {
    const std::string_view kernel = ops::kernels()[call.kernel].name;
    if (kernel == "matmul") {
      const auto& p = call.params_as<abi::MatmulParams>();
      return {p.k, p.n, p.batch <= 1 || p.b_batch == 0, (p.flags & abi::kMatmulTransB) != 0};
    }
    if (kernel == "matmul_integer") {
      const auto& p = call.params_as<abi::MatmulIntegerParams>();
      return {p.k, p.n, p.batch <= 1 || p.b_batch == 0, (p.flags & abi::kIntegerTransB) != 0};
    }
    if (kernel != "matmul_quantized") throw internal("a packed weight is bound to another kernel");
    const auto& p = call.params_as<abi::MatmulQuantizedParams>();
    return {p.k, p.n, true, packed.source == ops::WeightLayout::kMatmulNK};
  }

  static const PackedMatrix* check_packed(const ops::KernelCall& call, const ops::Binding& binding,
                                          const PackedMatrix& packed) {
    const PackedUse use = packed_use(call, packed);
    const bool transposed = packed.source == ops::WeightLayout::kMatmulNK;
    if (use.k != packed.k || use.n != packed.n || binding.offset != 0 || !use.shared ||
        transposed != use.transposed || call.variant.second != packed.dtype) {
      throw internal("a packed weight is bound with another shape or dtype");
    }
    return &packed;
  }

  std::shared_ptr<Shared> shared_;
  plan::BuildRequest request_;
  std::vector<ops::KernelCall> calls_;
  std::vector<Prepared> prepared_;
  std::vector<std::byte*> pointers_;
};

class Backend : public CpuBackend {
 public:
  explicit Backend(const Options& options) : shared_(std::make_shared<Shared>(options.threads)) {}

  std::string name() const override { return "cpu"; }
  plan::Limits limits() const override { return {}; }
  int threads() const override { return shared_->pool.size(); }

  // The scalar reference runs what no fast kernel covers.
  plan::Support supports(const ops::KernelCall&) const override { return {}; }

  bool owns(const plan::Buffer& buffer) const override {
    return dynamic_cast<const CpuBuffer*>(&buffer) != nullptr;
  }

  std::shared_ptr<plan::Buffer> allocate(size_t bytes, std::string_view) override {
    return std::make_shared<OwnedBuffer>(bytes);
  }

  std::shared_ptr<plan::Buffer> upload(const plan::WeightRequest& request) override {
    if (can_read_in_place(request)) return std::make_shared<MatrixBuffer>(request, rows_of(request));
    if (can_pack(request)) {
      std::lock_guard lock(shared_->running);
      return std::make_shared<PackedBuffer>(pack_matrix(request, shared_->pool));
    }
    return std::make_shared<TensorBuffer>(*request.tensor, rows_of(request));
  }

  std::unique_ptr<plan::Executable> build(plan::BuildRequest request) override {
    return std::make_unique<CpuExecutable>(std::move(request), shared_);
  }

  void run_call(const ops::KernelArgs& args) override {
    const CpuKernel* fast = cpu_kernels().find(args.call);
    if (fast == nullptr) return ops::kernels()[args.call.kernel].reference(args);
    std::lock_guard lock(shared_->running);
    shared_->reserve(scratch_of(fast, args.call, shared_->pool));
    fast->run({args, shared_->pool, shared_->scratch.data(), nullptr});
  }

 private:
  // A float matrix in a file, of which all columns are wanted. What was made in memory is packed at once, so
  // that only one copy stays.
  static bool can_read_in_place(const plan::WeightRequest& request) {
    const core::DType dtype = request.tensor->dtype();
    const bool is_float = dtype == core::DType::kF32 || dtype == core::DType::kF16;
    const bool part_of_columns = request.layout == ops::WeightLayout::kMatmulKN && request.n_end != 0;
    return is_float && request.tensor->file_backed() && can_pack(request) && !part_of_columns;
  }

  static std::span<const std::byte> rows_of(const plan::WeightRequest& request) {
    const auto bytes = request.tensor->bytes();
    if (request.n_end == 0) return bytes;
    if (request.layout == ops::WeightLayout::kMatmulKN) {
      throw internal("columns of a weight that cannot be packed were asked for");
    }
    const auto& shape = request.tensor->shape();
    const size_t row = shape.empty() || shape[0] == 0 ? bytes.size() : bytes.size() / size_t(shape[0]);
    return bytes.subspan(request.n_begin * row, (request.n_end - request.n_begin) * row);
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::shared_ptr<CpuBackend> create_backend(const Options& options) {
  return std::make_shared<Backend>(options);
}

}  // namespace vulcap::cpu
