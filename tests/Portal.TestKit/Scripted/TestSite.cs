using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;
using Portal.Jobs.Proofs;
using Portal.Jobs.Runs;

namespace Portal.TestKit.Scripted;

/// <summary>A tenant with one class, its people, one published template, and the verbs as the web process has them.</summary>
public sealed class TestSite : IAsyncDisposable
{
    private readonly ServiceProvider _web;

    private TestSite(TestDatabase database) => (Database, _web) = (database, Web(database));

    public TestDatabase Database { get; }
    public Guid Tenant { get; } = NewId();
    public Guid Class { get; } = NewId();
    public Guid TemplateVersion { get; } = NewId();
    public IReadOnlyList<Guid> Students { get; private set; } = [];
    public Guid Instructor { get; } = NewId();

    public T Get<T>() where T : notnull => _web.GetRequiredService<T>();

    /// <param name="members">Limits of each member; tenant and class have a thousand times that unless <paramref name="all"/> says otherwise.</param>
    public static async Task<TestSite> CreateAsync(TestDatabase database, int students, Amounts members, CancellationToken cancel,
        Amounts? all = null, Amounts? capacity = null, int launchesAtOnce = 1000)
    {
        var site = new TestSite(database) { Students = [.. Enumerable.Range(0, students).Select(_ => NewId())] };
        await using var db = database.Open();
        var wide = all ?? new(members.Vcpu * 1000, members.MemoryMib * 1000, members.StorageGib * 1000, members.Workspaces * 1000);
        db.Tenants.Add(new() { Id = site.Tenant, Slug = "informatics", Name = "Informatics", PoolKey = LocalCloud.Key, Limits = wide });
        db.Classes.Add(new()
        {
            Id = site.Class,
            TenantId = site.Tenant,
            Slug = "ds",
            Title = "Data science",
            Limits = wide,
            MemberLimits = members,
            WorkFolderGib = 1,
            LongestHours = 12
        });
        foreach (var (id, role) in site.Students.Select(s => (s, MemberRole.Student)).Append((site.Instructor, MemberRole.Instructor)))
        {
            db.Persons.Add(new() { Id = id, Issuer = "test", Subject = id.ToString(), Name = $"Person {id.ToString()[..8]}" });
            db.Memberships.Add(new() { Id = NewId(), PersonId = id, TenantId = site.Tenant, ClassId = site.Class, Role = role });
        }
        db.TemplateVersions.Add(new() { Id = site.TemplateVersion, TemplateId = "notebook", Hash = "test", Spec = Spec });
        var room = capacity ?? new(100_000, 100_000_000, 0, 0);
        db.Clouds.Add(Cloud(LocalCloud.Key, launchesAtOnce));
        db.Images.Add(Image(LocalCloud.Key));
        db.Pools.Add(Pool(LocalCloud.Key, LocalCloud.Key, null, room));
        await db.SaveChangesAsync(cancel);
        return site;
    }

    private static Cloud Cloud(string key, int launchesAtOnce = 1000) =>
        new() { Key = key, Kind = "scripted", Title = key, LaunchesAtOnce = launchesAtOnce };

    /// <summary>A pool that was measured and works, with much free space.</summary>
    private static Pool Pool(string key, string cloud, string? credential, Amounts capacity) => new()
    {
        Key = key,
        CloudKey = cloud,
        Credential = credential,
        Title = key,
        CapacityVcpu = capacity.Vcpu,
        CapacityMemoryMib = capacity.MemoryMib,
        Clusters = new(true, "scripted", null),
        Storage = new(true, "scripted", null),
        SeenAt = TimeProvider.System.GetUtcNow(),
        StorageFreeBytes = 1L << 49,
        StorageTotalBytes = 1L << 50,
        StorageReserveBytes = 1L << 31,
        BlocksEnforced = true,
    };

    private static ImageRow Image(string pool) =>
        new() { PoolKey = pool, Name = "python", State = ImageState.Ready, Reference = "sha256:test", UpdatedAt = TimeProvider.System.GetUtcNow() };

    public static TemplateSpec Spec { get; } = new("notebook", "Notebook", "A notebook.", "JupyterLab", "4",
        [new("s", "Small", "", 1, 1024), new("m", "Medium", "", 2, 2048), new("l", "Large", "", 4, 4096)],
        [new("notebook", "python", ["start-notebook"], new Dictionary<string, string>(StringComparer.Ordinal), "TOKEN")],
        [new("lab", "Notebook", "", "notebook", 8888, "/lab", Kernels: true)]);

    /// <summary>A notebook with workers that have scratch folders and are drained.</summary>
    public static TemplateSpec Cluster { get; } = new("cluster", "Cluster", "A cluster.", "Sleepers", "1",
        [new("s", "Small", "", 1, 1024), new("l", "Large", "", 4, 4096)],
        [
            new("notebook", "python", ["start-notebook"], new Dictionary<string, string>(StringComparer.Ordinal), "TOKEN"),
            new("worker", "python", ["sleep", "infinity"], new Dictionary<string, string>(StringComparer.Ordinal), null)
            {
                Workers = new(1, 6, 2),
                ScratchGib = 1,
                Drain = new("notebook", ["leave", "{node}"])
            },
        ],
        [new("lab", "Notebook", "", "notebook", 8888, "/lab", Kernels: true)]);

    /// <summary>Publishes another template, as Jobs would.</summary>
    public async Task PublishAsync(TemplateSpec spec, CancellationToken cancel)
    {
        await using var db = Database.Open();
        db.TemplateVersions.Add(new() { Id = NewId(), TemplateId = spec.Id, Hash = "test", Spec = spec });
        await db.SaveChangesAsync(cancel);
    }

    public LaunchRequest Order(Guid student, string? name = null, string size = "s", Guid? id = null) =>
        new(id ?? NewId(), new(student), Class, "notebook", size, name ?? $"w {NewId().ToString()[^12..]}", TimeProvider.System.GetUtcNow().AddHours(2));

    /// <summary>One process of Jobs without its loops, driven by the test: see <see cref="JobsProcess"/>.</summary>
    public JobsProcess Process(ScriptedClouds clouds, TimeSpan lease, params (string Key, string Value)[] settings) =>
        new(Database, clouds, [], lease, settings);

    /// <summary>The same with more pools; their keys are those of <see cref="OtherCloudAsync"/> and <see cref="OtherPoolAsync"/>.</summary>
    public JobsProcess Process(ScriptedClouds clouds, IReadOnlyList<CloudKit> others, TimeSpan lease) => new(Database, clouds, others, lease, []);

    public static Guid NewId() => Guid.CreateVersion7(TimeProvider.System.GetUtcNow());

    /// <summary>Another tenant with one class, in a cloud of its own; returns the class.</summary>
    public async Task<Guid> OtherCloudAsync(string key, Amounts capacity, CancellationToken cancel, params Guid[] students)
    {
        await using (var db = Database.Open())
        {
            db.Clouds.Add(Cloud(key));
            await db.SaveChangesAsync(cancel);
        }
        return await OtherTenantAsync(Pool(key, key, null, capacity), students, cancel);
    }

    /// <summary>Another tenant with one class, in another project of the local cloud; returns the class.</summary>
    public Task<Guid> OtherPoolAsync(string key, Amounts capacity, CancellationToken cancel, params Guid[] students) =>
        OtherTenantAsync(Pool(key, LocalCloud.Key, key, capacity), students, cancel);

    private async Task<Guid> OtherTenantAsync(Pool pool, Guid[] students, CancellationToken cancel)
    {
        var key = pool.Key;
        var (tenant, @class, wide) = (NewId(), NewId(), new Amounts(1000, 1_000_000, 1000, 1000));
        await using var db = Database.Open();
        db.Images.Add(Image(key));
        db.Pools.Add(pool);
        db.Tenants.Add(new() { Id = tenant, Slug = key, Name = key, PoolKey = key, Limits = wide });
        db.Classes.Add(new()
        {
            Id = @class,
            TenantId = tenant,
            Slug = "other",
            Title = "Other",
            Limits = wide,
            MemberLimits = wide,
            WorkFolderGib = 1,
            LongestHours = 12
        });
        foreach (var id in students)
        {
            if (!await db.Persons.AnyAsync(p => p.Id == id, cancel))
                db.Persons.Add(new() { Id = id, Issuer = "test", Subject = id.ToString(), Name = "Other" });
            db.Memberships.Add(new() { Id = NewId(), PersonId = id, TenantId = tenant, ClassId = @class, Role = MemberRole.Student });
        }
        await db.SaveChangesAsync(cancel);
        return @class;
    }

    public async ValueTask DisposeAsync() => await _web.DisposeAsync();

    private static ServiceProvider Web(TestDatabase database) => new ServiceCollection()
        .AddLogging(l => l.SetMinimumLevel(LogLevel.Error))
        .AddSingleton(TimeProvider.System)
        .AddPortalData(Configuration(database.Web))
        .AddPortalCore()
        .BuildServiceProvider();

    /// <summary>If a key is given twice, the later value wins.</summary>
    internal static IConfiguration Configuration(string connection, params (string Key, string Value)[] more) => new ConfigurationBuilder()
        .AddInMemoryCollection(
            more.Prepend(("ConnectionStrings:portal", connection))
                .GroupBy(m => m.Item1, StringComparer.Ordinal)
                .Select(m => KeyValuePair.Create(m.Key, (string?)m.Last().Item2))).Build();
}

/// <summary>
/// The runs of one process: the product's store, admission and steps, without dispatcher and heartbeat, so that the test decides when it
/// claims and when it dies. A step that never returns is abandoned, as by a kill.
/// </summary>
public sealed class JobsProcess : IAsyncDisposable
{
    private readonly ServiceProvider _services;

    internal JobsProcess(TestDatabase database, ScriptedClouds clouds, IReadOnlyList<CloudKit> others, TimeSpan lease, (string Key, string Value)[] settings)
    {
        var configuration =
            TestSite.Configuration(database.Jobs,
                [("Runs:Lease", lease.ToString()), ("Runs:Heartbeat", "00:00:00.1"), ("Runs:Most", "20"), .. settings]);
        var services = new ServiceCollection()
            .AddLogging(l => l.SetMinimumLevel(LogLevel.Error))
            .AddSingleton(configuration)
            .AddSingleton(TimeProvider.System)
            .AddPortalData(configuration).AddPortalCore()
            .AddSingleton(new AppToken(new byte[32]))
            .AddSingleton<IClusterCloud>(clouds).AddSingleton<IShareCloud>(clouds).AddSingleton<IFilesetCloud>(clouds).AddSingleton<IImageCloud>(clouds)
            .AddSingleton<INotebookProof>(clouds)
            .AddPortalJobs(configuration);
        foreach (var kit in others) services.AddSingleton(kit);
        _services = services.BuildServiceProvider();
    }

    public T Get<T>() where T : notnull => _services.GetRequiredService<T>();

    /// <summary>The ports of the site's own pool.</summary>
    public CloudKit Kit => Get<CloudKits>().Of(LocalCloud.Key);

    /// <summary>One of its loops, which the test starts.</summary>
    public T Loop<T>() where T : BackgroundService => ActivatorUtilities.CreateInstance<T>(_services);

    /// <summary>Admits and claims once, and begins what was claimed; returns the tasks of those runs.</summary>
    public async Task<IReadOnlyList<Task>> ClaimAsync(CancellationToken cancel)
    {
        await Get<Admission>().RunAsync(cancel);
        var (handed, _) = await Get<RunStore>().HandOverAsync(cancel);
        return [.. handed.Select(run => Task.Run(() => Get<AdvanceRun>().AdvanceAsync([run.Id], cancel), cancel))];
    }

    /// <summary>Claims until no run is unfinished.</summary>
    public async Task UntilSettledAsync(CancellationToken cancel, TimeSpan? deadline = null)
    {
        var mine = new List<Task>();
        try
        {
            await Until.TrueAsync("every run has ended", async () =>
            {
                mine.AddRange(await ClaimAsync(cancel));
                return !(await RunsAsync()).Exists(r => !r.Phase.IsFinished());
            }, cancel, deadline);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message} {string.Join("; ", (await RunsAsync()).Select(r => $"{r.Kind} {r.Phase} {r.DoneStep} {r.Message}"))}", e);
        }

        async Task<List<Run>> RunsAsync()
        {
            await using var db = await Get<IDbContextFactory<PortalDb>>().CreateDbContextAsync(cancel);
            return await db.Runs.AsNoTracking().OrderBy(r => r.Id).ToListAsync(cancel);
        }
    }

    public async ValueTask DisposeAsync() => await _services.DisposeAsync();
}
