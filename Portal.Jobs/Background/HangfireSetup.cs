using System.Collections.Frozen;
using Hangfire;
using Hangfire.Common;
using Hangfire.PostgreSql;
using Hangfire.States;
using Hangfire.Storage;
using Newtonsoft.Json;
using Npgsql;
using Portal.Core.Data;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Background;

/// <summary>Hangfire provides the worker pool, cancellation tokens, recurring jobs and stack
/// traces. The settings are measured; see decision record 001.</summary>
public static class HangfireSetup
{
    public const string Schema = "hangfire";
    private const int SweepWorkers = 4;

    /// <summary>The complete list of job types. A row that names anything else does not load and never runs.</summary>
    private static readonly FrozenDictionary<string, Type> Allowed = new (string Name, Type Type)[]
    {
        ("AdvanceRun", typeof(AdvanceRun)), ("Sweeps", typeof(Sweeps.Sweeps)),
        ("ids", typeof(long[])), ("cancellation", typeof(CancellationToken)),
    }.ToFrozenDictionary(a => a.Name, a => a.Type, StringComparer.Ordinal);

    public static IServiceCollection AddPortalHangfire(this IServiceCollection services, string database)
    {
        services.AddHangfire(hangfire => hangfire
            .SetDataCompatibilityLevel(CompatibilityLevel.Version_180)
            .UseTypeSerializer(type => Allowed.FirstOrDefault(a => a.Value == type).Key ?? throw new InvalidOperationException($"{type} is not a job type."))
            .UseTypeResolver(name => Allowed.TryGetValue(name, out var type) ? type : throw new JobLoadException($"'{name}' is not a job type", null!))
            .UseSerializerSettings(new JsonSerializerSettings { TypeNameHandling = TypeNameHandling.None, MaxDepth = 8 })
            .UseFilter(new KeepResults(TimeSpan.FromMinutes(15), TimeSpan.FromDays(14)))
            .UseStorage(Store(database)));
        // Not needed here: each costs statements per job, and continuations read typed JSON from rows.
        foreach (var filter in GlobalJobFilters.Filters.Where(f => f.Instance is CaptureCultureAttribute or ContinuationsSupportAttribute).ToList())
            GlobalJobFilters.Filters.Remove(filter.Instance);
        // Servers that share nothing, so that a burst of launches does not delay sweeps, nor a pool that hangs the runs of another.
        services.AddHostedService<RunServers>();
        services.AddHangfireServer(o => Server(o, "sweeps", [Sweeps.Sweeps.Queue], SweepWorkers));
        return services;
    }

    private static PostgreSqlStorage Store(string database)
    {
        // Its rows are not the source of truth: a crash of the database may lose the last moments of history, but never a run.
        // Without "No Reset On Close" each of its many short connections costs an extra statement.
        var connections =
            new NpgsqlConnectionStringBuilder(database)
            {
                NoResetOnClose = true,
                MaxAutoPrepare = 40,
                ApplicationName = "hangfire",
                Options = "-c synchronous_commit=off " + PortalData.EndsSilentTransactions
            };
        var data = NpgsqlDataSource.Create(connections);
        OutOfMemory.WatchForever(data);
        return new(new DataSourceConnections(data), new PostgreSqlStorageOptions
        {
            SchemaName = Schema,
            PrepareSchemaIfNecessary = true,
            StartupConnectionMaxRetries = 10,
            AllowDegradedModeWithoutStorage = false,
            // A job that this process enqueues wakes a worker, and polling finds those of other processes. A run whose job nobody took is claimed
            // again when its lease ends.
            QueuePollInterval = TimeSpan.FromSeconds(30),
            EnableLongPolling = false,
            InvisibilityTimeout = TimeSpan.FromSeconds(30),
            UseSlidingInvisibilityTimeout = true,
            // A kill while a lock is held leaves its row; with the default timeout the schedule would stop for ten minutes.
            DistributedLockTimeout = TimeSpan.FromSeconds(30),
            EnableTransactionScopeEnlistment = false,
            // Each check takes and returns a lock for every table.
            JobExpirationCheckInterval = TimeSpan.FromMinutes(15),
            DeleteExpiredBatchSize = 10_000,
            CountersAggregateInterval = TimeSpan.FromMinutes(5),
        });
    }

    /// <summary>What the servers have in common.</summary>
    internal static BackgroundJobServerOptions Server(BackgroundJobServerOptions options, string name, string[] queues, int workers)
    {
        options.ServerName = name;
        options.Queues = queues;
        options.WorkerCount = workers;
        options.SchedulePollingInterval = TimeSpan.FromSeconds(30);
        options.HeartbeatInterval = TimeSpan.FromSeconds(30);
        options.ServerCheckInterval = TimeSpan.FromMinutes(1);
        options.ServerTimeout = TimeSpan.FromMinutes(2);
        options.CancellationCheckInterval = TimeSpan.FromSeconds(5);
        options.StopTimeout = TimeSpan.Zero; // at SIGTERM the tokens are cancelled immediately …
        options.ShutdownTimeout = TimeSpan.FromSeconds(20); // … and jobs have this long to hand their runs back
        return options;
    }

    private sealed class DataSourceConnections(NpgsqlDataSource data) : IConnectionFactory
    {
        public NpgsqlConnection GetOrCreateConnection() => data.CreateConnection();
    }

    /// <summary>Run jobs are many and small: succeeded ones expire soon, failed ones are kept for a while, and jobs whose process died expire too.</summary>
    private sealed class KeepResults(TimeSpan finished, TimeSpan failed) : IApplyStateFilter
    {
        public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
            TimeSpan? keep = context.NewState switch
            {
                SucceededState or DeletedState => finished,
                FailedState => failed,
                _ => context.BackgroundJob.Job?.Type == typeof(AdvanceRun) ? TimeSpan.FromHours(1) : null,
            };
            if (keep is { } time) transaction.ExpireJob(context.BackgroundJob.Id, time);
        }

        public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction) { }
    }
}
