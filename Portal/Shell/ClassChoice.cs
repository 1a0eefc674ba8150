using System.Collections.Immutable;
using Microsoft.JSInterop;
using Portal.Core.Workspaces;

namespace Portal.Shell;

/// <summary>The class that a person currently works in, for people who belong to several. Kept in a cookie; one instance per circuit.</summary>
public sealed class ClassChoice(IJSRuntime js)
{
    private readonly List<Action> _listeners = [];
    private Guid? _id;

    /// <summary>Calls back after another class was chosen, on the circuit's thread, until the result is disposed.</summary>
    public IDisposable Listen(Action listener)
    {
        _listeners.Add(listener);
        return new Listener(() => _listeners.Remove(listener));
    }

    /// <summary>The cookie's value when the circuit began.</summary>
    public void Remember(Guid? id) => _id ??= id;

    /// <summary>The chosen class, else the first; null if there is none.</summary>
    public ClassView? Of(ImmutableArray<ClassView> classes) => classes.FirstOrDefault(c => c.Id == _id) ?? classes.FirstOrDefault();

    public async Task ChooseAsync(Guid id)
    {
        _id = id;
        foreach (var listener in _listeners.ToArray()) listener();
        await js.InvokeVoidAsync("portal.chooseClass", id);
    }

    private sealed class Listener(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
