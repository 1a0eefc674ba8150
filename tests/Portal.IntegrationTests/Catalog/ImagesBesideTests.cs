using Docker.DotNet.Models;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Catalog;

/// <summary>A slow image build on the real container engine: its page shows the progress, and every other template can be launched in the meantime.</summary>
public sealed class ImagesBesideTests : IAsyncLifetime
{
    private readonly string _recipes = Directory.CreateTempSubdirectory("portal-test-recipes").FullName;
    private Installation? _it;

    private Installation It => _it!;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        // The same bytes and modes, hence the same tags.
        (await OwnDisk.RunAsync("cp", "-a", $"{CloudLab.Variable("PORTAL_TEST_RECIPES")}/.", _recipes)).ShouldBe(0);
        Directory.CreateDirectory($"{_recipes}/slow");
        await File.WriteAllTextAsync($"{_recipes}/slow/recipe.json", """{"from":"base","dockerfile":"Dockerfile"}""", Cancel);
        await File.WriteAllTextAsync($"{_recipes}/slow/Dockerfile", $"""
            ARG BASE
            FROM ${"{BASE}"}
            RUN echo {CloudLab.NewId()}
            RUN i=0; until [ -e /go ] || [ $i = 600 ]; do i=$((i+1)); sleep .5; done; test -e /go
            """, Cancel);
        _it = await Installation.StartAsync(students: 1, ["notebook"], Cancel, ("Images:Recipes", _recipes));
    }

    public async ValueTask DisposeAsync()
    {
        if (_it is { } it)
        {
            await using (var db = it.Database.Open())
                foreach (var tag in await db.Images.Where(i => i.Name == "slow" && i.Tag != null).Select(i => i.Tag!).ToListAsync(CancellationToken.None))
                    await ContainerEngineTasks.IfThereAsync(() =>
                        it.Lab.ContainerEngine.CallAsync(c => c.Images.DeleteImageAsync(tag, new ImageDeleteParameters { Force = true }),
                            CancellationToken.None));
            await it.DisposeAsync();
        }
        Directory.Delete(_recipes, recursive: true);
    }

    [Fact, Trait("Lane", "long")]
    public async Task SlowBuild_TellsHowFarItIs_AndBlocksNoOtherTemplate()
    {
        TestCatalog.Write($"{It.Folder}/templates", "slow", TestCatalog.Yaml("slow").Replace("image: python", "image: slow", StringComparison.Ordinal));
        await IsSaidAsync("slow", "setting up, 4 of ");

        // What is launched from another image becomes Ready.
        var order = It.Site.Order(It.Site.Students[0]);
        (await It.Site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await Until.TrueAsync("the other workspace is Ready",
            async () => (await It.Site.Get<WorkspaceFeed>().LookAsync(new(It.Site.Students[0]), order.Id, Cancel))!.Status == WorkspaceStatus.Ready,
            Cancel, TimeSpan.FromMinutes(2));
        // A new template whose image exists can be launched immediately.
        TestCatalog.Write($"{It.Folder}/templates", "bare", TestCatalog.Yaml("bare").Replace("image: python", "image: base", StringComparison.Ordinal));
        await Until.TrueAsync("the new template's image is seen", async () => (await RowAsync("base"))?.State == ImageState.Ready, Cancel,
            TimeSpan.FromMinutes(2));

        (await RowAsync("slow"))!.State.ShouldBe(ImageState.Building);
        await LetGoAsync();
        await Until.TrueAsync("the slow image exists", async () => (await RowAsync("slow"))!.State == ImageState.Ready, Cancel, TimeSpan.FromMinutes(2));
    }

    private async Task<ImageRow?> RowAsync(string image)
    {
        await using var db = It.Database.Open();
        return await db.Images.AsNoTracking().SingleOrDefaultAsync(i => i.Name == image, Cancel);
    }

    private async Task IsSaidAsync(string image, string what)
    {
        ImageRow? row = null;
        try
        {
            await Until.TrueAsync($"'{image}' says {what}", async () =>
            {
                row = await RowAsync(image);
                return row?.Message?.Contains(what, StringComparison.Ordinal) == true;
            }, Cancel, TimeSpan.FromMinutes(2));
        }
        catch (TimeoutException e) { throw new TimeoutException($"{e.Message} It is {row?.State}: {row?.Message}", e); }
    }

    /// <summary>Creates the file for which the build waits, in the container in which it waits.</summary>
    private async Task LetGoAsync()
    {
        var containerEngine = It.Lab.ContainerEngine;
        var builds = await containerEngine.CallAsync(c => c.Containers.ListContainersAsync(new ContainersListParameters()), Cancel);
        var waiting = builds.Where(b => b.Command.Contains("until [ -e /go ]", StringComparison.Ordinal)).ShouldHaveSingleItem();
        var exec = await containerEngine.CallAsync(c =>
            c.Exec.CreateContainerExecAsync(waiting.ID, new ContainerExecCreateParameters { Cmd = ["touch", "/go"] }), Cancel);
        await containerEngine.CallAsync(c => c.Exec.StartContainerExecAsync(exec.ID, new ContainerExecStartParameters { Detach = true }), Cancel);
    }
}
