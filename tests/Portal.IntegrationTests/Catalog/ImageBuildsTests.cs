using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Jobs.Catalog;
using Portal.Jobs.Clouds;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Catalog;

/// <summary>Rows of images while the container engine comes and goes.</summary>
public sealed class ImageBuildsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Otherwise every launch that waits in the queue would fail, because its image is not ready.</summary>
    [Fact]
    public async Task ContainerEngine_Unavailable_LeavesReadyImagesReadyAndSaysWhyOfOthers()
    {
        await using var relay = SocketRelay.Start(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"));
        await using var lab = CloudLab.Open(("Clouds:Docker:Socket", relay.Path));
        await lab.PythonAsync();
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var services = Services(database);
        await OfferAsync(database, "python");

        await RoundAsync(services, [lab.Kit(LocalCloud.Key)], () => RowIsAsync(database, "python", ImageState.Ready));
        await relay.CutAsync();
        await OfferAsync(database, "slurm"); // checked after python
        await RoundAsync(services, [lab.Kit(LocalCloud.Key)], () => RowIsAsync(database, "slurm", ImageState.Failed));
        relay.Restore();

        await using var rows = database.Open();
        (await rows.Images.SingleAsync(i => i.Name == "python", Cancel)).State.ShouldBe(ImageState.Ready);
        (await rows.Images.SingleAsync(i => i.Name == "slurm", Cancel)).Remedy.ShouldNotBeNullOrEmpty();
    }

    /// <summary>A build step runs what the packages of others bring: its output is foreign, and the container engine passes on even its zero bytes.</summary>
    [Fact, Trait("Lane", "long")]
    public async Task Build_ThatFailsWithHostileLines_IsToldCleanedAndCut()
    {
        var recipes = Directory.CreateTempSubdirectory("portal-test-recipes").FullName;
        Directory.CreateDirectory($"{recipes}/base");
        Directory.CreateDirectory($"{recipes}/mine");
        File.Copy(Path.Combine(CloudLab.Variable("PORTAL_TEST_RECIPES"), "base", "recipe.json"), $"{recipes}/base/recipe.json");
        await File.WriteAllTextAsync($"{recipes}/mine/recipe.json", """{"from":"base","dockerfile":"Dockerfile","archives":[]}""", Cancel);
        await File.WriteAllTextAsync($"{recipes}/mine/Dockerfile", $$"""
            ARG BASE
            FROM ${BASE}
            RUN head -c 1000000 /dev/zero | tr '\0' y; for i in 1 2; do printf '\nbad\0text\355\240\200 {{CloudLab.NewId()}}\033[31m\342\200\256'; done; exit 3
            """, Cancel);
        await using var lab = CloudLab.Open(("Images:Recipes", recipes));
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var services = Services(database);
        await OfferAsync(database, "mine");

        await RoundAsync(services, [lab.Kit(LocalCloud.Key)], () => RowIsAsync(database, "mine", ImageState.Failed));

        await using var rows = database.Open();
        var message = (await rows.Images.SingleAsync(i => i.Name == "mine", Cancel)).Message!;
        message.ShouldContain("returned a non-zero code: 3");
        message.ShouldContain(new string('y', 300) + " …");
        message.ShouldContain(" | bad\uFFFDtext\uFFFD\uFFFD\uFFFD t");
        message.Length.ShouldBeLessThanOrEqualTo(1002);
        message.ShouldAllBe(c => !char.IsControl(c) && !char.IsSurrogate(c) && c != '\u202e');
        Directory.Delete(recipes, recursive: true);
    }

    [Fact]
    public async Task Clouds_OneOfThemUnavailable_TheOtherHasItsImages()
    {
        await using var relay = SocketRelay.Start(CloudLab.Variable("PORTAL_TEST_CONTAINER_ENGINE"));
        await using var cut = CloudLab.Open(("Clouds:Docker:Socket", relay.Path));
        await using var works = CloudLab.Open();
        var image = await works.PythonAsync();
        await relay.CutAsync();
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var services = Services(database);
        await OfferAsync(database, "python");

        await RoundAsync(services, [cut.Kit("away"), works.Kit("works")], async () =>
        {
            await using var db = database.Open();
            return await db.Images.CountAsync(i => i.State == ImageState.Ready || i.State == ImageState.Failed, Cancel) == 2;
        });
        relay.Restore();

        await using var rows = database.Open();
        var of = await rows.Images.AsNoTracking().ToDictionaryAsync(i => i.PoolKey, Cancel);
        (of["away"].State, of["works"].State, of["works"].Reference).ShouldBe((ImageState.Failed, ImageState.Ready, image));
    }

    private static ServiceProvider Services(TestDatabase database) => new ServiceCollection()
        .AddSingleton(NpgsqlDataSource.Create(database.Jobs))
        .AddDbContextFactory<PortalDb>((all, db) => PortalData.Configure(db, all.GetRequiredService<NpgsqlDataSource>()))
        .BuildServiceProvider();

    /// <summary>A process that checks the images once, until this holds.</summary>
    private static async Task RoundAsync(ServiceProvider services, CloudKit[] kits, Func<Task<bool>> until)
    {
        using var builds = new ImageBuilds(services.GetRequiredService<IDbContextFactory<PortalDb>>(), new CloudKits(kits), TimeProvider.System,
            NullLogger<ImageBuilds>.Instance);
        await builds.StartAsync(Cancel);
        await Until.TrueAsync("the images were checked", until, Cancel, TimeSpan.FromMinutes(1));
        await builds.StopAsync(Cancel);
    }

    private static async Task<bool> RowIsAsync(TestDatabase database, string image, ImageState state)
    {
        await using var db = database.Open();
        return await db.Images.AnyAsync(i => i.Name == image && i.State == state, Cancel);
    }

    private static async Task OfferAsync(TestDatabase database, string image)
    {
        await using var db = database.Open();
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        db.TemplateVersions.Add(new()
        {
            Id = Guid.CreateVersion7(),
            TemplateId = image,
            Hash = new('a', 64),
            Spec = new(image, image, "", "engine", "1", [new("s", "Small", "", 1, 512)], [new("notebook", image, ["start"], none, null)], []),
        });
        await db.SaveChangesAsync(Cancel);
    }
}
