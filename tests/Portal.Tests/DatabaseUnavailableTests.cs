using System.Net.Sockets;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Data;

namespace Portal.Tests;

/// <summary>Which faults mean that the database is unavailable.</summary>
public sealed class DatabaseUnavailableTests
{
    [Theory]
    [InlineData("57P01")]
    [InlineData("57P02")]
    [InlineData("57P03")]
    [InlineData("53300")]
    [InlineData("08006")]
    public void Server_StoppingStartingOrFull_IsUnavailable(string state) => DatabaseUnavailable.Is(Error(state)).ShouldBeTrue();

    [Theory]
    [InlineData("23505")] // taken
    [InlineData("42501")] // may not
    [InlineData("40001")] // lost against another
    [InlineData("57014")] // cancelled
    [InlineData("53100")] // its disk is full
    public void Server_ThatAnswers_IsNot(string state)
    {
        DatabaseUnavailable.Is(Error(state)).ShouldBeFalse();
        DatabaseUnavailable.Is(new DbUpdateException("wrapped", Error(state))).ShouldBeFalse();
    }

    [Fact]
    public void Connection_CutRefusedOrNotHadInTime_IsUnavailableHoweverItIsWrapped()
    {
        Exception[] causes =
            [new SocketException((int)SocketError.ConnectionRefused), new IOException("cut"), new TimeoutException("none free"), Error("57P01")];
        foreach (var cause in causes)
        {
            var connection = new NpgsqlException("failed", cause);
            DatabaseUnavailable.Is(connection).ShouldBeTrue();
            DatabaseUnavailable.Is(new DbUpdateException("wrapped", connection)).ShouldBeTrue();
            DatabaseUnavailable.Is(new InvalidOperationException("likely transient", new DbUpdateException("wrapped", connection))).ShouldBeTrue();
        }
    }

    [Fact]
    public void OtherFaults_AreNot()
    {
        Exception?[] others =
            [null, new InvalidOperationException("ours"), new IOException("a file"), new TimeoutException("a cloud"), new NpgsqlException("ours")];
        foreach (var other in others) DatabaseUnavailable.Is(other).ShouldBeFalse();
    }

    private static PostgresException Error(string state) => new("error", "FATAL", "FATAL", state);
}
