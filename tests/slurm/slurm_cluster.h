// A Slurm of one machine, made for a test: munged, slurmctld and two slurmd with a configuration of their
// own.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <string>

#include "tests/apps/child_process.h"

namespace vulcap::testing {

class SlurmCluster {
 public:
  // What it needs and this machine lacks; empty: nothing.
  static std::string lacks();

  // Starts the daemons, all files below `folder`, whose parents all users must be able to pass (munged asks
  // for that). Two nodes of four processors, and two partitions: `low`, whose jobs get SIGTERM, ten seconds
  // and a requeue when a job of `high` wants their node. Every command and what it printed goes to `log`.
  // Throws std::runtime_error where a daemon does not come up.
  SlurmCluster(std::filesystem::path folder, const std::filesystem::path& log);
  ~SlurmCluster();  // cancels the jobs and stops the daemons

  // Runs one of Slurm's commands, or a script that uses them; returns what it printed. Throws
  // std::runtime_error when it fails.
  std::string run(const std::string& program, const Arguments& arguments, const Environment& more = {});
  // Asks every quarter of a second; false when it did not come true in time.
  bool wait_until(const std::string& what, std::chrono::seconds limit, const std::function<bool()>& holds);
  // A field of `scontrol show job`, such as JobState; a line for each task of an array.
  std::string job_field(const std::string& job, const std::string& field);
  void note(const std::string& text);

 private:
  Outcome ask(const std::string& program, const Arguments& arguments, Environment environment);
  void write_key();
  void write_configuration();
  void start(const std::string& command);
  bool nodes_are_idle();

  std::filesystem::path folder_;
  std::ofstream log_;
  std::string user_;
  std::list<ChildProcess> daemons_;
};

}  // namespace vulcap::testing
