using System.Text;
using System.Text.Json.Nodes;
using Portal.IntegrationTests.Clouds;

namespace Portal.IntegrationTests.Notebooks;

/// <summary>A work folder filled to the last byte: JupyterLab opens, reads and deletes, explains why it cannot save, and damages nothing.</summary>
public sealed class FullFolderTests(LabFixture fixture) : IClassFixture<LabFixture>
{
    private const string Themes = "lab/api/settings/@jupyterlab/apputils-extension:themes";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Full_OpensAndDeletesAndSaysWhyNothingIsSaved()
    {
        await using var notebook = await RealNotebook.StartAsync(fixture.Lab, limit: 24 << 20);
        await SaveAsync(notebook, "a.ipynb", "first");
        await SaveAsync(notebook, "b.ipynb", "other");
        (await notebook.RequestAsync(HttpMethod.Post, "api/contents/a.ipynb/checkpoints")).Status.ShouldBe(201);
        (await notebook.RequestAsync(HttpMethod.Put, "lab/api/workspaces/default", Layout("before"))).Status.ShouldBe(204);

        await notebook.FillAsync();

        await OpensAndDoesNotSaveAsync(notebook, "b.ipynb");
        await notebook.StartAgainAsync(); // and so it is when it starts on a full folder
        await SaveAsync(notebook, "small", null, expected: 507);
        await OpensAndDoesNotSaveAsync(notebook, "big");
        await SaveAsync(notebook, "a.ipynb", "second");
        (await TextOfAsync(notebook, "a.ipynb")).ShouldBe("second");
    }

    [Fact]
    public async Task RoomRunsOutInTheMiddleOfASave_TheFileStaysAsItWas()
    {
        await using var notebook = await RealNotebook.StartAsync(fixture.Lab, limit: 24 << 20);
        await SaveAsync(notebook, "a.ipynb", "first");
        (await notebook.RequestAsync(HttpMethod.Post, "api/contents/a.ipynb/checkpoints")).Status.ShouldBe(201);
        await notebook.TypeAsync("head -c 18M /dev/zero > big && sync");
        var before = await notebook.TypeAsync("sha256sum a.ipynb && ls -A");

        // Larger than the free space, and even than what writers buffer.
        var (status, answer) = await notebook.RequestAsync(HttpMethod.Put, "api/contents/a.ipynb", Notebook(new string('x', 12 << 20)));

        status.ShouldBe(507);
        answer!["message"]!.ToString().ShouldMatch(@"^There is not enough space for this: your folder already holds 18\.\d of 24 MiB, or your class");
        (await notebook.TypeAsync("sha256sum a.ipynb && ls -A")).ShouldBe(before, "no temporary file is left, and the file is complete");

        // The same when restoring a checkpoint, and for an upload in parts.
        await notebook.TypeAsync("cp a.ipynb kept && head -c 8M /dev/zero > .ipynb_checkpoints/a-checkpoint.ipynb; true");
        (await notebook.RequestAsync(HttpMethod.Post, "api/contents/a.ipynb/checkpoints/checkpoint")).Status.ShouldBe(507);
        (await notebook.TypeAsync("cmp a.ipynb kept && echo same")).ShouldBe("same");
        JsonObject Part(int chunk) => new() { ["type"] = "file", ["format"] = "text", ["chunk"] = chunk, ["content"] = new string('y', 3 << 20) };
        var statuses = new List<int>();
        for (var part = 1; part <= 8 && statuses.All(s => s < 300); part++)
            statuses.Add((await notebook.RequestAsync(HttpMethod.Put, "api/contents/upload", Part(part))).Status);
        statuses[^1].ShouldBe(507); // nothing of the failed attempt is left
        (await notebook.TypeAsync("ls")).ShouldNotContain("upload");
    }

    [Fact]
    public async Task TrustHistoryAndLayout_OutliveARestart_WithoutADatabaseOnTheFolder()
    {
        await using var notebook = await RealNotebook.StartAsync(fixture.Lab);
        var trusted = Notebook("trusted");
        trusted["content"]!["cells"]![0]!["metadata"]!["trusted"] = true;
        (await notebook.RequestAsync(HttpMethod.Put, "api/contents/a.ipynb", trusted)).Status.ShouldBe(201);
        await SaveAsync(notebook, "b.ipynb", "not trusted");
        (await notebook.ComputeAsync("print('remember' + ' me')")).ShouldBe("remember me");
        (await notebook.RequestAsync(HttpMethod.Put, "lab/api/workspaces/default", Layout("mine"))).Status.ShouldBe(204);
        (await notebook.RequestAsync(HttpMethod.Put, Themes, new JsonObject { ["raw"] = """{"theme": "JupyterLab Dark"}""" })).Status.ShouldBe(204);

        await notebook.StartAgainAsync();
        await notebook.StartAgainAsync(); // what was copied once is copied again

        (await TrustedAsync(notebook, "a.ipynb"), await TrustedAsync(notebook, "b.ipynb")).ShouldBe((true, false));
        (await notebook.ComputeAsync("print([c for _, _, c in get_ipython().history_manager.get_tail(5)])")).ShouldBe("""["print('remember' + ' me')"]""");
        (await notebook.RequestAsync(HttpMethod.Get, "lab/api/workspaces/default")).Body!["data"]!["layout"]!.ToString().ShouldBe("mine");
        (await notebook.RequestAsync(HttpMethod.Get, Themes)).Body!["raw"]!.ToString().ShouldContain("Dark");
        (await DatabasesAsync(notebook)).ShouldBeEmpty();
    }

    [Fact]
    public async Task DatabasesOfBefore_AreTakenOver()
    {
        await using var notebook = await RealNotebook.StartAsync(fixture.Lab);
        await SaveAsync(notebook, "a.ipynb", "trusted long ago");
        // As earlier versions left them.
        await notebook.PythonAsync("""
            import os, sqlite3, nbformat
            from nbformat.sign import NotebookNotary, SQLiteSignatureStore
            kept = "/home/student/work/.notebook"
            notary = NotebookNotary(store_factory=lambda: SQLiteSignatureStore(kept + "/data/nbsignatures.db"), secret_file=kept + "/data/notebook_secret")
            notary.sign(nbformat.read("a.ipynb", as_version=4)); notary.store.close()
            from IPython.core.history import HistoryAccessor
            old = HistoryAccessor(hist_file=kept + "/ipython/profile_default/history.sqlite")
            with old.db:
                old.db.execute("INSERT INTO sessions VALUES (1, '2026-01-01 10:00:00', NULL, NULL, '')")
                old.db.execute("INSERT INTO history VALUES (1, 1, 'long_ago()', 'long_ago()')")
            """);

        await notebook.StartAgainAsync();

        (await TrustedAsync(notebook, "a.ipynb")).ShouldBeTrue();
        (await notebook.ComputeAsync("print([c for _, _, c in get_ipython().history_manager.get_tail(5)])")).ShouldBe("['long_ago()']");
        (await DatabasesAsync(notebook)).ShouldBeEmpty();
    }

    private static async Task OpensAndDoesNotSaveAsync(RealNotebook notebook, string deleted)
    {
        (await notebook.TryAsync("echo x > more && sync more")).Output.ShouldContain("Disk quota exceeded");
        (await TextOfAsync(notebook, "a.ipynb")).ShouldBe("first");
        (await notebook.RequestAsync(HttpMethod.Get, $"api/contents/{deleted}/checkpoints")).Status.ShouldBe(200);
        // JupyterLab wants a checkpoint of what it opens, and continues without one if it is forbidden.
        (await notebook.RequestAsync(HttpMethod.Post, $"api/contents/{deleted}/checkpoints")).Status.ShouldBe(403);
        (await notebook.ComputeAsync("print(40 + 2)")).ShouldBe("42");
        (await notebook.RequestAsync(HttpMethod.Put, "lab/api/workspaces/default", Layout("after"))).Status.ShouldBe(204);
        var before = await notebook.TypeAsync("sha256sum a.ipynb .ipynb_checkpoints/a-checkpoint.ipynb && ls -A");

        await SaveAsync(notebook, "a.ipynb", new string('x', 100_000), expected: 507);
        (await notebook.RequestAsync(HttpMethod.Post, "api/contents", new JsonObject { ["type"] = "notebook" })).Status.ShouldBe(507);
        (await notebook.RequestAsync(HttpMethod.Post, "api/contents", new JsonObject { ["copy_from"] = "a.ipynb" })).Status.ShouldBe(507);
        (await notebook.TypeAsync("sha256sum a.ipynb .ipynb_checkpoints/a-checkpoint.ipynb && ls -A")).ShouldBe(before);

        (await notebook.RequestAsync(HttpMethod.Delete, $"api/contents/{deleted}")).Status.ShouldBe(204);
        (await notebook.TypeAsync("ls && sync")).ShouldNotContain(deleted);
        (await DatabasesAsync(notebook)).ShouldBeEmpty();
    }

    private static async Task SaveAsync(RealNotebook notebook, string name, string? text, int expected = 0)
    {
        var body = name.EndsWith(".ipynb", StringComparison.Ordinal)
            ? Notebook(text!)
            : new JsonObject { ["type"] = "file", ["format"] = "text", ["content"] = "more" };
        var (status, answer) = await notebook.RequestAsync(HttpMethod.Put, $"api/contents/{name}", body);
        if (expected == 0)
        {
            status.ShouldBeOneOf(200, 201);
            return;
        }
        status.ShouldBe(expected, answer?.ToJsonString());
        answer!["message"]!.ToString().ShouldBe("Your folder is full: 24.0 of 24 MiB. Nothing was saved, and what was there before is untouched. "
            + "Delete what you no longer need, in the file browser or in a terminal, and save again; "
            + "if you need all of it, ask your instructor for a larger folder.");
    }

    private static async Task<string> TextOfAsync(RealNotebook notebook, string name)
    {
        var (status, answer) = await notebook.RequestAsync(HttpMethod.Get, $"api/contents/{name}?content=1");
        status.ShouldBe(200, answer?.ToJsonString());
        return answer!["content"]!["cells"]![0]!["source"]!.ToString();
    }

    private static async Task<bool> TrustedAsync(RealNotebook notebook, string name) =>
        (bool)(await notebook.RequestAsync(HttpMethod.Get, $"api/contents/{name}?content=1")).Body!["content"]!["cells"]![0]!["metadata"]!["trusted"]!;

    /// <summary>Files of the work folder that begin like SQLite's.</summary>
    private static async Task<IReadOnlyList<string>> DatabasesAsync(RealNotebook notebook)
    {
        var found = new List<string>();
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (var file in Directory.EnumerateFiles(notebook.Folder, "*", all))
        {
            await using var stream = File.OpenRead(file);
            var head = new byte[15];
            var read = await stream.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, Cancel);
            if (Encoding.ASCII.GetString(head, 0, read) == "SQLite format 3") found.Add(file);
        }
        return found;
    }

    private static JsonObject Layout(string name) =>
        new() { ["data"] = new JsonObject { ["layout"] = name }, ["metadata"] = new JsonObject { ["id"] = "default" } };

    /// <summary>One cell with an output that needs trust.</summary>
    private static JsonObject Notebook(string source)
    {
        var content = JsonNode.Parse("""
            {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, "execution_count": 1,
             "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>1</b>"}}]}]}
            """)!;
        content["cells"]![0]!["source"] = source;
        return new() { ["type"] = "notebook", ["format"] = "json", ["content"] = content };
    }
}
