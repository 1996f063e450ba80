#include "apps/batch/shard.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>

#include "runtime/core/error.h"
#include "runtime/core/hash.h"

namespace vulcap::apps {
namespace {

constexpr const char* kAdvice = "; say which part is meant with --shard i/n";

[[noreturn]] void refuse(const std::string& message) { throw core::Error(core::ErrorCode::kUsage, message); }

std::optional<uint32_t> parse_number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The value of a variable; nothing where it is unset or empty.
std::optional<uint32_t> number_of(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const auto value = parse_number(text);
  if (!value) refuse(std::string(variable) + " is '" + text + "', not a number" + kAdvice);
  return value;
}

Shard checked(uint32_t index, uint32_t count, const std::string& source) {
  if (index < count) return {index, count};
  refuse(source + ": there is no part " + std::to_string(index) + " of " + std::to_string(count) +
         ", parts count from 0" + kAdvice);
}

std::optional<ShardChoice> array_shard() {
  const auto id = number_of("SLURM_ARRAY_TASK_ID");
  if (!id) return std::nullopt;
  const std::string source = "SLURM_ARRAY_TASK_ID";
  const auto count = number_of("SLURM_ARRAY_TASK_COUNT");
  if (!count) refuse(source + " is set but SLURM_ARRAY_TASK_COUNT is not" + kAdvice);
  const uint32_t first = number_of("SLURM_ARRAY_TASK_MIN").value_or(0);
  const uint32_t last = number_of("SLURM_ARRAY_TASK_MAX").value_or(first + *count - 1);
  const uint32_t step = std::max(number_of("SLURM_ARRAY_TASK_STEP").value_or(1), 1u);
  if (first > 1 || last < first || uint64_t(last - first) != uint64_t(step) * (*count - 1) || *id < first ||
      (*id - first) % step != 0)
    refuse("the job array of task " + std::to_string(*id) + " runs " + std::to_string(*count) +
           " tasks from " + std::to_string(first) + " to " + std::to_string(last) +
           ", which may be a part of a larger array" + kAdvice);
  return ShardChoice{checked((*id - first) / step, *count, source), source};
}

// The task of a job step. Slurm gives a batch script SLURM_PROCID=0 too, but it runs once for all tasks.
std::optional<ShardChoice> task_shard() {
  const auto task = number_of("SLURM_PROCID");
  const bool batch_script = std::getenv("SLURM_JOB_ID") != nullptr && std::getenv("SLURM_STEP_ID") == nullptr;
  if (!task || batch_script) return std::nullopt;
  const auto step_tasks = number_of("SLURM_STEP_NUM_TASKS");
  const auto tasks = step_tasks ? step_tasks : number_of("SLURM_NTASKS");
  if (!tasks) refuse(std::string("SLURM_PROCID is set but SLURM_NTASKS is not") + kAdvice);
  return ShardChoice{checked(*task, *tasks, "SLURM_PROCID"), "SLURM_PROCID"};
}

std::optional<ShardChoice> completion_shard() {
  const auto index = number_of("JOB_COMPLETION_INDEX");
  if (!index) return std::nullopt;
  const auto count = number_of("JOB_COMPLETIONS");
  if (!count)
    refuse(
        "JOB_COMPLETION_INDEX is set but not how many parts there are; set JOB_COMPLETIONS in the manifest "
        "or "
        "give --shard $(JOB_COMPLETION_INDEX)/n");
  return ShardChoice{checked(*index, *count, "JOB_COMPLETION_INDEX"), "JOB_COMPLETION_INDEX"};
}

}  // namespace

bool Shard::contains(std::string_view key) const {
  uint64_t hash = core::hash_bytes(std::as_bytes(std::span(key)));
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  hash ^= hash >> 33;
  return hash % count == index;
}

std::string Shard::text() const { return std::to_string(index) + "/" + std::to_string(count); }

Shard parse_shard(const std::string& text, const std::string& source) {
  const size_t slash = text.find('/');
  const auto index = slash == text.npos ? std::nullopt : parse_number(text.substr(0, slash));
  const auto count = slash == text.npos ? std::nullopt : parse_number(text.substr(slash + 1));
  if (!index || !count || *index >= *count)
    refuse(source + " takes i/n, part i of n with 0 <= i < n, such as 0/4 to 3/4, not '" + text + "'");
  return {*index, *count};
}

ShardChoice shard_from_environment() {
  auto array = array_shard();
  auto task = task_shard();
  if (array && task && task->shard.count > 1) {
    const Shard& outer = array->shard;
    const Shard& inner = task->shard;
    return {checked(outer.index * inner.count + inner.index, outer.count * inner.count, task->source),
            array->source + " and " + task->source};
  }
  if (array) return *array;
  if (task) return *task;
  return completion_shard().value_or(ShardChoice{});
}

void ShardOptions::add_to(CLI::App& command) {
  command.add_option(
      "--shard", shard,
      "i/n: only part i (from 0) of n, chosen by a hash of each item's name; default: the task of a "
      "Slurm job array or step, the index of a Kubernetes Indexed Job, else everything");
}

ShardChoice ShardOptions::choose() const {
  if (shard.empty()) return shard_from_environment();
  return {parse_shard(shard, "--shard"), "--shard"};
}

std::string shard_path(const std::string& path, const Shard& shard) {
  constexpr std::string_view kPlace = "{shard}";
  char number[32];
  std::snprintf(number, sizeof number, "%05u-of-%05u", shard.index, shard.count);
  std::string result = path;
  for (size_t at = 0; (at = result.find(kPlace, at)) != result.npos;)
    result.replace(at, kPlace.size(), number);
  return result;
}

}  // namespace vulcap::apps
